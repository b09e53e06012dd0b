"""Every example file: the models and the generated JSON Schema take the good ones and refuse the bad ones."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import TypeAdapter, ValidationError

import schemas
from schemas.events import DIALER_EVENT, REPLY
from schemas.fields import Record
from schemas.json_schema import RECORD_TYPES
from schemas.settings import SETTINGS_RECORD

FOLDER: Final = Path(schemas.__file__).parent
VALID: Final = sorted((FOLDER / "examples/valid").glob("*/*.json"))
INVALID: Final = sorted((FOLDER / "examples/invalid").glob("*/*.json"))

ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "call-requested": DIALER_EVENT,
    "call-outcome": DIALER_EVENT,
    "number-assigned": REPLY,
    "assignment-rejected": REPLY,
    "number": SETTINGS_RECORD,
    "project": SETTINGS_RECORD,
    "agent": SETTINGS_RECORD,
    "outcome": SETTINGS_RECORD,
}

WRONG_FIELD: Final[Mapping[str, Mapping[str, str]]] = {
    "call-requested": {
        "type": "missing-type type-unknown",
        "call_id": "missing-call-id id-empty",
        "project_id": "missing-project-id id-null",
        "contact_id": "missing-contact-id id-too-long id-a-number",
        "phone": "missing-phone phone-empty phone-too-long phone-a-number",
        "requested_at": "missing-requested-at time-without-offset time-without-time-of-day time-without-seconds "
        "time-with-space time-with-offset-without-colon time-in-epoch-seconds time-in-epoch-seconds-as-text "
        "time-on-a-day-that-is-not time-with-leap-second time-null time-after-year-9999-in-utc",
        "agent_id": "agent-id-empty",
        "Invalid JSON": "id-with-lone-surrogate cut-short not-utf-8",
        "object": "not-an-object",
    },
    "call-outcome": {
        "type": "missing-type",
        "call_id": "missing-call-id id-a-number",
        "project_id": "missing-project-id",
        "contact_id": "missing-contact-id",
        "outcome": "missing-outcome outcome-empty outcome-too-long",
        "occurred_at": "missing-occurred-at time-without-offset time-in-epoch-milliseconds",
        "next_number": "next-number-not-e164 next-number-with-punctuation next-number-too-long next-number-empty",
    },
    "number-assigned": {
        "type": "missing-type",
        "call_id": "missing-call-id",
        "project_id": "missing-project-id",
        "contact_id": "missing-contact-id",
        "phone": "missing-phone phone-not-e164",
        "number": "missing-number number-not-e164",
        "anonymous": "missing-anonymous anonymous-as-text anonymous-as-number",
        "attempt": "missing-attempt attempt-zero attempt-as-text attempt-with-fraction",
        "rule": "missing-rule rule-unknown",
        "trail": "missing-trail trail-reason-unknown trail-reason-missing",
        "settings_version": "missing-settings-version settings-version-below-minus-one",
        "requested_at": "missing-requested-at",
        "assigned_at": "missing-assigned-at time-without-offset",
    },
    "assignment-rejected": {
        "type": "missing-type",
        "call_id": "missing-call-id call-id-null",
        "project_id": "missing-project-id",
        "contact_id": "missing-contact-id",
        "reason": "missing-reason reason-unknown",
        "detail": "missing-detail detail-null",
        "rejected_at": "missing-rejected-at time-without-offset",
    },
    "number": {
        "type": "missing-type",
        "number": "missing-number number-not-e164 number-with-leading-zero number-null",
        "active": "active-as-text active-as-number",
        "group": "group-empty",
        "label": "label-too-long",
    },
    "project": {
        "type": "missing-type",
        "project_id": "missing-project-id project-id-empty",
        "numbers": "numbers-a-text numbers-not-e164",
        "number_for_first_call": "number-for-first-call-unknown",
        "keep_previous_number": "keep-previous-number-as-text",
        "selection_logic": "selection-logic-unknown",
        "agent_numbers": "agent-numbers-unknown",
        "outcomes": "outcomes-a-list outcomes-number-not-e164 outcomes-name-empty",
        "when_no_number": "when-no-number-unknown",
        "name": "name-null",
    },
    "agent": {
        "type": "missing-type",
        "agent_id": "missing-agent-id agent-id-a-number",
        "number": "number-not-e164",
        "name": "name-too-long",
    },
    "outcome": {
        "type": "missing-type",
        "outcome": "missing-outcome outcome-empty",
        "next_number": "next-number-not-e164",
    },
}
"""By record type, what the error must name (a field, or the whole) and the names of the bad examples."""

NOT_JSON: Final = {"call-requested/cut-short", "call-requested/not-utf-8"}
"""No JSON Schema sees these: there is no JSON value."""

BEYOND_JSON_SCHEMA: Final = {
    "call-requested/id-with-lone-surrogate",  # an escape that names no character; JSON's grammar has it
    "call-requested/time-after-year-9999-in-utc",  # needs arithmetic
    "number-assigned/attempt-with-fraction",  # 3.0 is an integer to JSON Schema
}
"""Refused by the models, taken by the JSON Schema, which cannot say why not."""

FORMATS: Final = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    # To RFC 3339 a leap second is a time, so the format alone takes one; Python's parser does not.
    return datetime.fromisoformat(value.upper().replace(":60", ":59")).tzinfo is not None


def name(example: Path) -> str:
    return f"{example.parent.name}/{example.stem}"


def json_schema(record_type: str) -> Draft202012Validator:
    document = json.loads((FOLDER / f"json/{record_type}.json").read_bytes())
    return Draft202012Validator(document, format_checker=FORMATS)


def read(example: Path) -> Record:
    record = ADAPTERS[example.parent.name].validate_json(example.read_bytes())
    assert isinstance(record, Record)
    return record


def test_every_record_type_has_good_and_bad_examples() -> None:
    assert {example.parent.name for example in VALID} == set(RECORD_TYPES)
    assert {example.parent.name for example in INVALID} == set(RECORD_TYPES)


def test_every_bad_example_is_listed_with_its_wrong_field() -> None:
    listed = [
        f"{kind}/{each}" for kind, fields in WRONG_FIELD.items() for all_ in fields.values() for each in all_.split()
    ]
    assert sorted(listed) == sorted(map(name, INVALID))


@pytest.mark.parametrize("example", VALID, ids=name)
def test_a_good_example_is_read_as_it_is_written(example: Path) -> None:
    record = read(example)
    assert type(record) is RECORD_TYPES[example.parent.name][0]
    known = record.model_dump(mode="json", exclude_unset=True)
    written = json.loads(example.read_bytes())
    assert {key: written[key] for key in known if not key.endswith("_at")} == {
        key: value for key, value in known.items() if not key.endswith("_at")
    }
    assert known.keys() == written.keys() & type(record).model_fields.keys()


@pytest.mark.parametrize("example", VALID, ids=name)
def test_a_good_example_fits_the_json_schema(example: Path) -> None:
    assert list(json_schema(example.parent.name).iter_errors(json.loads(example.read_bytes()))) == []


@pytest.mark.parametrize(
    "example", [each for each in VALID if RECORD_TYPES[each.parent.name][1] == "serialization"], ids=name
)
def test_a_reply_as_the_worker_writes_it_fits_the_json_schema(example: Path) -> None:
    written = read(example).model_dump_json()
    assert list(json_schema(example.parent.name).iter_errors(json.loads(written))) == []
    assert ADAPTERS[example.parent.name].validate_json(written) == read(example)


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_the_example_of_unknown_fields_has_some_and_means_the_same_without(record_type: str) -> None:
    example = FOLDER / f"examples/valid/{record_type}/unknown-fields-ignored.json"
    fields = json.loads(example.read_bytes())
    known = {key: value for key, value in fields.items() if key in RECORD_TYPES[record_type][0].model_fields}
    assert known.keys() < fields.keys()
    assert ADAPTERS[record_type].validate_json(json.dumps(known)) == read(example)


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_the_example_of_all_fields_has_them_all(record_type: str) -> None:
    fields = json.loads((FOLDER / f"examples/valid/{record_type}/all-fields.json").read_bytes())
    assert fields.keys() == RECORD_TYPES[record_type][0].model_fields.keys()
    assert None not in fields.values()


@pytest.mark.parametrize("example", INVALID, ids=name)
def test_a_bad_example_is_refused_for_its_wrong_field_alone(example: Path) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(example)
    errors = refusal.value.errors(include_input=False)
    for each in errors:
        place = str(each["loc"][1]) if len(each["loc"]) > 1 else each["msg"]
        assert wrong_field(example) in ({place} if len(each["loc"]) > 1 else place)


@pytest.mark.parametrize("example", [each for each in INVALID if name(each) not in NOT_JSON], ids=name)
def test_the_json_schema_refuses_a_bad_example_for_its_wrong_field_alone(example: Path) -> None:
    errors = list(json_schema(example.parent.name).iter_errors(json.loads(example.read_bytes())))
    assert bool(errors) == (name(example) not in BEYOND_JSON_SCHEMA)
    for each in errors:
        assert wrong_field(example) in ([*each.absolute_path][:1] or each.message)


@pytest.mark.parametrize("example", sorted(NOT_JSON))
def test_an_example_that_is_not_json_is_not(example: str) -> None:
    with pytest.raises(ValueError, match=r"Unterminated|decode"):
        json.loads((FOLDER / f"examples/invalid/{example}.json").read_bytes())


def wrong_field(example: Path) -> str:
    (field,) = (field for field, names in WRONG_FIELD[example.parent.name].items() if example.stem in names.split())
    return field
