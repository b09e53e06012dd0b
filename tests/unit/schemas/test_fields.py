"""What the field types take and refuse, beyond the example files."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import schemas
from schemas.events import DIALER_EVENT, CallOutcome
from schemas.fields import MAX_ID_LENGTH, Instant
from schemas.settings import (
    SETTINGS_RECORD,
    AgentSettings,
    NumberSettings,
    OutcomeSettings,
    ProjectSettings,
    SettingsRecord,
)

INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)
REQUEST: Final = json.loads(
    (Path(schemas.__file__).parent / "examples/valid/call-requested/minimal.json").read_bytes(),
)
OFFSETS: Final = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE: Final = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001 - made aware


@given(contact_id=st.text(min_size=1, max_size=MAX_ID_LENGTH))
def test_an_id_of_any_unicode_is_read_as_it_is(contact_id: str) -> None:
    for text in (json.dumps({**REQUEST, "contact_id": contact_id}, ensure_ascii=ascii_) for ascii_ in (True, False)):
        assert DIALER_EVENT.validate_json(text.encode()).contact_id == contact_id


@given(at=AWARE)
def test_a_time_is_read_to_the_microsecond_and_keeps_its_offset(at: datetime) -> None:
    read = INSTANT.validate_json(json.dumps(at.isoformat()))
    assert (read, read.utcoffset()) == (at, at.utcoffset())


@given(at=AWARE)
def test_a_time_is_written_as_it_is_read(at: datetime) -> None:
    assert INSTANT.validate_json(INSTANT.dump_json(at)) == at


def test_digits_beyond_the_microsecond_are_dropped() -> None:
    assert INSTANT.validate_json(b'"2026-03-02T09:15:00.123456789Z"') == datetime(2026, 3, 2, 9, 15, 0, 123456, UTC)


def test_a_time_in_lower_case_is_the_same_time() -> None:
    assert INSTANT.validate_json(b'"2026-03-02t09:15:00z"') == INSTANT.validate_json(b'"2026-03-02T09:15:00Z"')


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z"])
def test_a_time_that_utc_cannot_hold_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        INSTANT.validate_json(json.dumps(at))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time_of_utc_are_taken(at: str) -> None:
    assert INSTANT.validate_json(json.dumps(at)) == datetime.fromisoformat(at)


@pytest.mark.parametrize("at", ["2026-03-02T09:15:00\u221201:00", "\u096820-03-02T09:15:00Z", "2026-03-02T09:15:00Z\n"])
def test_a_time_in_other_signs_than_ascii_or_with_an_end_of_line_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        INSTANT.validate_json(json.dumps(at))


@pytest.mark.parametrize("at", [datetime(2026, 3, 2), "2026-03-02T09:15:00Z", 1_772_442_900])  # noqa: DTZ001 - refused
def test_from_python_only_an_aware_datetime_is_a_time(at: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(at)


def test_the_field_that_stands_last_counts_for_the_tag_too() -> None:
    fields = json.dumps({**REQUEST, "outcome": "busy", "occurred_at": "2026-03-02T09:16:10Z", "last": 0})
    read = DIALER_EVENT.validate_json(fields.replace('"last": 0', '"type": "call-outcome"'))
    assert isinstance(read, CallOutcome)


def test_records_are_values_that_do_not_change() -> None:
    request = DIALER_EVENT.validate_json(json.dumps(REQUEST))
    with pytest.raises(ValidationError, match="frozen"):
        request.call_id = "another"  # type: ignore[misc]  # refused when it runs, too
    assert len({request, DIALER_EVENT.validate_json(json.dumps(REQUEST))}) == 1


def test_a_settings_record_has_the_key_it_stands_under() -> None:
    records: list[SettingsRecord] = [
        NumberSettings(number="+358912345678"),
        ProjectSettings(project_id="a:b"),
        AgentSettings(agent_id="anna"),
        OutcomeSettings(outcome="busy"),
    ]
    assert [record.key for record in records] == ["number:+358912345678", "project:a:b", "agent:anna", "outcome:busy"]
    assert [SETTINGS_RECORD.validate_json(record.model_dump_json()) for record in records] == records
