"""Every stored format, as files that are never edited: what was written once is read for as long as it is kept.

A file more in a folder is a case more. How a format changes is told in CONTRIBUTING.md.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from schemas.events import DIALER_EVENT, REPLY
from schemas.json_schema import RECORD_TYPES
from tests.keys import contact_key, reply_key
from tests.unit.loop.test_reading import Record
from worker.loop.encoding import encode as encode_reply
from worker.loop.reading import read
from worker.selection import uses
from worker.selection.history import ContactHistory, ProjectCalls, WaitingOutcome
from worker.settings.difference import difference
from worker.settings.fold import Fold
from worker.state.buckets import bucket_of, mark_key
from worker.state.codec import FORMAT, decode, encode
from worker.state.marks import Mark, decode_mark
from worker.stream.publisher import fitting, reply_record
from worker.stream.records import DeadLetter, OutgoingReply
from worker.stream.replies import Source, read_source

GOLDEN: Final = Path(__file__).parent


def files(pattern: str) -> list[Any]:
    """The golden files of a pattern, as parameters of a test. There must be some."""
    found = sorted(GOLDEN.glob(pattern))
    assert found, pattern
    return [pytest.param(path, id=path.name.removesuffix(path.suffix)) for path in found]


def contact_of(path: Path) -> tuple[ContactHistory, int]:
    """What a stored contact says, from the readable file beside it."""
    told = json.loads(path.with_suffix(".json").read_bytes())
    history = ContactHistory(
        told["last_number"],
        {name: msgspec.convert(calls, ProjectCalls) for name, calls in told["projects"].items()},
        uses.pack(told["used_at_us"]),
        [msgspec.convert(each, WaitingOutcome) for each in told["waiting"]],
    )
    return history, told["version"]


@pytest.mark.parametrize("path", files("contacts/*.bin"))
def test_a_stored_contact_is_read_as_it_was_meant(path: Path) -> None:
    history, version = decode(path.read_bytes())
    assert (history, version) == contact_of(path)
    assert list(history.projects) == list(contact_of(path)[0].projects)  # their order is that of the calls


@pytest.mark.parametrize("path", files(f"contacts/format-{FORMAT}-*.bin"))
def test_a_contact_is_written_in_the_same_bytes_as_ever(path: Path) -> None:
    assert encode(*contact_of(path)) == path.read_bytes()


@pytest.mark.parametrize("key", json.loads((GOLDEN / "keys.json").read_bytes()), ids=lambda key: key["reply_key"][:40])
def test_the_keys_of_a_contact_are_where_they_always_were(key: dict[str, Any]) -> None:
    bucket, contact_id = bucket_of(key["contact_id"], key["buckets"]), key["contact_id"]
    assert bucket == key["bucket"]
    assert contact_key(bucket, contact_id) == key["contact_key"]
    assert reply_key(bucket, contact_id, key["call_id"]) == key["reply_key"]


@pytest.mark.parametrize("mark", json.loads((GOLDEN / "marks.json").read_bytes()), ids=lambda mark: mark["key"])
def test_a_mark_is_written_and_read_where_and_as_ever(mark: dict[str, Any]) -> None:
    meant = Mark(mark["requests"], mark["outcomes"], mark["replies"])
    assert mark_key(mark["bucket"], mark["index"]) == mark["key"]
    assert meant.encode() == mark["stored"].encode()
    assert decode_mark(mark["stored"].encode()) == meant


def test_a_reply_says_what_it_answers_in_the_same_header_as_ever() -> None:
    told = json.loads((GOLDEN / "headers/reply.json").read_bytes())
    request = Record(b"{}", told["topic"], 3, told["offset"], told["timestamp"])
    _, _, sent = reply_record(OutgoingReply(request, b"k", b"{}"))
    assert [[name, value.decode()] for name, value in sent] == told["headers"]
    answered = Record(b"{}", "number-assigned", 3, headers=tuple(sent))
    assert read_source(answered) == Source(told["topic"], told["offset"], told["timestamp"])


@pytest.mark.parametrize("path", files("replies/*.json"))
def test_a_stored_reply_is_read_and_written_in_the_same_bytes_as_ever(path: Path) -> None:
    stored = path.read_bytes()
    assert encode_reply(REPLY.validate_json(stored)) == stored


def test_there_is_a_stored_reply_of_each_kind() -> None:
    replies = [json.loads(path.read_bytes()) for path in GOLDEN.glob("replies/*.json")]
    assert {reply["type"] for reply in replies} == {"number-assigned", "assignment-rejected"}
    assert {reply["reason"] for reply in replies if "reason" in reply} == {
        "unknown_project",
        "no_number_available",
        "invalid_phone",
        "invalid_request",
    }


@pytest.mark.parametrize("path", files("settings/*.txt"))
def test_a_settings_record_is_read_and_written_in_the_same_bytes_as_ever(path: Path) -> None:
    key, value = path.read_bytes().removesuffix(b"\n").split(b"\n")
    fold = Fold()
    assert fold.fold(0, key, value) is None
    assert difference([], fold.records()).writes() == [(key.decode(), value)]


@pytest.mark.parametrize("path", [each for each in files("events/*.json") if not each.id.endswith(".read")])
def test_an_event_is_read_as_it_was_meant(path: Path) -> None:
    reading = read([Record(path.read_bytes())], "call-requested")
    ((incoming,),) = reading.by_contact.values()
    event = DIALER_EVENT.validate_python({"type": incoming.event.type, **msgspec.structs.asdict(incoming.event)})
    assert event.model_dump_json() + "\n" == path.with_suffix(".read.json").read_text()


@pytest.mark.parametrize("path", files("headers/dead-letter*.json"))
def test_a_dead_letter_says_why_in_the_same_headers_as_ever(path: Path) -> None:
    told = json.loads(path.read_bytes())
    record = Record(told["value"].encode(), "call-requested", 3, 41, headers=(("trace", b"t-1"),))
    error = "pydantic_core._pydantic_core.ValidationError"
    letter = DeadLetter(record, "VALUE_CONVERTER", error, "call-requested.phone: Field required")
    sent = fitting(letter, told["max_bytes"])
    assert [[name, value.decode()] for name, value in sent.headers] == told["headers"]
    assert sent.key == (record.key if "key" in told["kept"] else None)
    assert sent.value == (record.value if "value" in told["kept"] else None)


EVENTS: Final = ("call-requested", "call-outcome")


def future(record_type: str) -> tuple[bytes, bytes]:
    """A record as a later version may write it, and what of it is known today."""
    value = (GOLDEN / f"future/{record_type}.json").read_bytes()
    model = RECORD_TYPES[record_type][0]
    known = {name: field for name, field in json.loads(value).items() if name in model.model_fields}
    assert known.keys() < json.loads(value).keys()
    return value, json.dumps(known).encode()


@pytest.mark.parametrize("record_type", EVENTS)
def test_what_a_later_version_adds_to_an_event_is_ignored(record_type: str) -> None:
    readings = [read([Record(value)], "call-requested") for value in future(record_type)]
    ((today,),), ((tomorrow,),) = (reading.by_contact.values() for reading in readings)
    assert today.event == tomorrow.event


@pytest.mark.parametrize(
    "record_type", sorted(RECORD_TYPES.keys() - {*EVENTS, "number-assigned", "assignment-rejected"})
)
def test_what_a_later_version_adds_to_the_settings_is_ignored(record_type: str) -> None:
    tomorrow, today = (Fold(), Fold())
    for fold, value in zip((tomorrow, today), future(record_type), strict=True):
        model = RECORD_TYPES[record_type][0].model_validate_json(value)
        assert fold.fold(0, model.key.encode(), value) is None  # type: ignore[attr-defined] # settings records have one
    assert len(today.records()) == 1
    assert tomorrow.records() == today.records()
