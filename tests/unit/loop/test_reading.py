"""Records in, events out: what is refused, and what a refused request still gets."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.loop.events import Ended, Requested
from worker.loop.reading import read

REQUESTS, OUTCOMES = "call-requested", "call-outcome"
REQUEST = {
    "type": "call-requested",
    "call_id": "call-1",
    "project_id": "spring",
    "contact_id": "contact-1",
    "phone": "+358401234567",
    "requested_at": "2026-11-24T10:00:00+02:00",
}
OUTCOME = {
    "type": "call-outcome",
    "call_id": "call-1",
    "project_id": "spring",
    "contact_id": "contact-1",
    "outcome": "busy",
    "occurred_at": "2026-11-24T10:01:00+02:00",
}


class Record(NamedTuple):
    value: bytes | None
    topic: str = REQUESTS
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_795_000_000_000
    key: bytes | None = b"contact-1"
    headers: tuple[tuple[str, bytes], ...] = ()


def record(fields: dict[str, Any], topic: str = REQUESTS) -> Record:
    return Record(json.dumps(fields).encode(), topic)


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def test_events_are_gathered_by_contact_in_the_order_of_the_batch() -> None:
    other = {**REQUEST, "contact_id": "contact-2"}
    reading = read([record(REQUEST), record(other), record(OUTCOME, OUTCOMES)], REQUESTS)
    assert [each.position for each in reading.by_contact["contact-1"]] == [0, 2]
    first, second = reading.by_contact["contact-1"]
    assert isinstance(first.event, Requested)
    assert isinstance(second.event, Ended)
    assert [each.position for each in reading.by_contact["contact-2"]] == [1]
    assert (reading.requests, reading.outcomes, reading.refused) == (2, 1, [])


def test_the_types_may_share_one_topic() -> None:
    reading = read([record(REQUEST, "calls"), record(OUTCOME, "calls")], "calls")
    assert (reading.requests, reading.outcomes) == (1, 1)


@pytest.mark.parametrize("missing", ["project_id", "contact_id", "phone", "requested_at"])
def test_a_request_with_a_field_missing_is_refused_and_rejected(missing: str) -> None:
    (refused,) = read([record(without(REQUEST, missing))], REQUESTS).refused
    assert refused.letter.message == f"call-requested.{missing}: Field required"
    assert refused.letter.error == "pydantic_core._pydantic_core.ValidationError"
    assert refused.reply is not None
    assert refused.reply.reason == "invalid_request"
    assert refused.reply.call_id == "call-1"
    assert refused.reply.detail == refused.letter.message
    assert refused.reply.rejected_at.timestamp() == Record(None).timestamp / 1_000


def test_fields_that_cannot_be_read_are_null_in_the_rejection() -> None:
    (refused,) = read([record({**REQUEST, "contact_id": 7, "project_id": ""})], REQUESTS).refused
    assert refused.reply is not None
    assert (refused.reply.contact_id, refused.reply.project_id) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        None,
        b"not json",
        b"[]",
        b'"call-requested"',
        json.dumps(without(REQUEST, "call_id")).encode(),
        json.dumps({**REQUEST, "call_id": 12}).encode(),
        json.dumps({**REQUEST, "call_id": "x" * 1_001}).encode(),
        json.dumps({**REQUEST, "call_id": "\ud800"}).encode(),
        b"[" * 100_000,
        pytest.param(json.dumps(REQUEST)[:40].encode(), id="cut short within the call_id"),
        pytest.param(b'[{"call_id": "call-1"}]', id="within a list"),
        pytest.param(b'{"call": {"call_id": "call-1"}}', id="within another field"),
        pytest.param(b'{} {"call_id": "call-1"}', id="after the object"),
        pytest.param(b'{"call_id": "call-1", "call_id": 7}', id="the last of two counts"),
        pytest.param(b'{"call_id": "call-\xff"}', id="not UTF-8"),
        pytest.param(b'{"call_id": "call-\\x31"}', id="an escape that there is not"),
        pytest.param(json.dumps(REQUEST).encode("utf-16"), id="UTF-16"),
    ],
)
def test_a_request_whose_call_id_cannot_be_read_is_refused_without_a_reply(value: bytes | None) -> None:
    (refused,) = read([Record(value)], REQUESTS).refused
    assert refused.reply is None


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({**REQUEST, "agent_id": "\ud800"}).encode(),
        json.dumps({**REQUEST, "phone": float("nan")}).encode(),
        b'{"call_id": "call-1", "phone": 1e400}',
        json.dumps({**REQUEST, "contact_id": "A"}).encode().replace(b'"A"', b'"\xff"'),
        pytest.param(json.dumps(REQUEST).encode()[:-5], id="cut short"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps(REQUEST).encode(), id="byte order mark"),
        pytest.param(json.dumps(REQUEST).encode() + b"}, and more", id="more than an object"),
        pytest.param(b'{"call_id": "call-1", "phone": "+358\n40\x00"}', id="control characters"),
        pytest.param(b'{"call_id": "call-1", "phone": ' + b"9" * 5_000 + b"}", id="more digits than Python takes"),
        pytest.param(b'{"more": ' + b"[" * 100_000 + b"]" * 100_000 + b', "call_id": "call-1"}', id="deep"),
        pytest.param(
            b'{"more": ' + b'[{"call_id": "no"}, ' * 100 + b"{}" + b"]" * 100 + b', "call_id": "call-1"}', id="within"
        ),
        pytest.param(b'{"call_id": "no", "\\u0063all_id": "call-1"}', id="twice, once escaped"),
        pytest.param(b'{"more": "\\"call_id\\": {[", "call_id": "call-1"}', id="within a text"),
        pytest.param(b'{"type": null, "call_id": "call-1"}', id="type null"),
    ],
)
def test_a_call_id_is_read_even_from_what_no_strict_parser_takes(value: bytes) -> None:
    (refused,) = read([Record(value)], REQUESTS).refused
    assert refused.reply is not None
    assert refused.reply.call_id == "call-1"


def test_a_call_id_may_hold_what_no_strict_parser_takes() -> None:
    (refused,) = read([Record(b'{"call_id": "call\n\x001"}')], REQUESTS).refused
    assert refused.reply is not None
    assert refused.reply.call_id == "call\n\x001"


def test_ids_that_are_not_utf_8_are_null_in_the_rejection_not_mangled() -> None:
    value = json.dumps({**REQUEST, "contact_id": "A"}).encode().replace(b'"A"', b'"\xed\xa0\x80"')
    (refused,) = read([Record(value)], REQUESTS).refused
    assert refused.reply is not None
    assert refused.reply.contact_id is None


def test_whether_a_call_id_can_be_read_does_not_hang_on_the_depth_of_the_stack() -> None:
    value = b'{"call_id": "call-1", "more": ' + b"[" * 500 + b"]" * 500 + b"}"

    def replied(frames: int) -> bool:
        if frames:
            return replied(frames - 1)
        return read([Record(value)], REQUESTS).refused[0].reply is not None

    assert replied(0)
    assert replied(600)


def test_an_outcome_that_does_not_fit_gets_no_reply() -> None:
    (refused,) = read([record(without(OUTCOME, "outcome"))], REQUESTS).refused
    assert refused.reply is None


def test_on_another_topic_a_record_without_a_type_is_not_taken_for_a_request() -> None:
    (refused,) = read([record(without(REQUEST, "type"), OUTCOMES)], REQUESTS).refused
    assert refused.reply is None


def test_the_words_about_a_bad_record_hold_none_of_its_values() -> None:
    (refused,) = read([record({**REQUEST, "phone": 358401234567, "agent_id": ["+358401234567"]})], REQUESTS).refused
    assert "358401234567" not in refused.letter.message


def test_a_type_that_is_none_is_not_quoted_either() -> None:
    (refused,) = read([record({**REQUEST, "type": "+358401234567"})], REQUESTS).refused
    assert refused.letter.message == "record: type must be one of 'call-requested', 'call-outcome'"


@pytest.mark.parametrize("timestamp", [-1, 0, 2**63 - 1])
def test_a_rejection_is_dated_whatever_the_timestamp_of_the_record(timestamp: int) -> None:
    (refused,) = read([record(without(REQUEST, "phone"))._replace(timestamp=timestamp)], REQUESTS).refused
    assert refused.reply is not None
    assert 1970 <= refused.reply.rejected_at.year <= 9999


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_raise(value: bytes) -> None:
    assert len(read([Record(value)], REQUESTS).refused) == 1
