"""What stands in Redis under a contact's key, whoever wrote it: refused, or a history that nothing fails on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz import EXAMPLES
from tests.fuzz.handling import SETTLER
from tests.fuzz.records import mutated, numbers, texts
from tests.fuzz.test_records import assert_fits_the_contract
from worker.loop.events import event_of
from worker.loop.reading import Incoming
from worker.selection import uses
from worker.selection.history import MAX_NUMBERS, MAX_PROJECTS, MAX_WAITING, ContactHistory, microseconds
from worker.state.codec import StateError, decode, encode
from worker.state.store import Snapshot
from worker.stream.unpacking import FetchedRecord
from worker.words import explain_history

EARLIEST_US: Final = microseconds(datetime.min.replace(tzinfo=UTC))
LATEST_US: Final = microseconds(datetime.max.replace(tzinfo=UTC))
AT_US: Final = microseconds(datetime(2026, 11, 24, 10, tzinfo=UTC))

RECORD: Final = FetchedRecord("call-requested", 0, 0, 0, None, None, ())

integers = st.sampled_from([0, 1, -1, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)])
times_us = st.sampled_from([0, EARLIEST_US, EARLIEST_US - 1, LATEST_US, LATEST_US + 1])
unicode_texts = texts.map(lambda text: text.encode("utf-8", "replace").decode())
scalars = st.none() | st.booleans() | st.floats() | integers | times_us | numbers | unicode_texts
odd = scalars | st.lists(scalars, max_size=3) | st.dictionaries(scalars, scalars, max_size=2)

good_ends = st.tuples(st.sampled_from(["busy", "own"]), st.none() | st.just("+358331234567"), st.just(AT_US)).map(list)
good_calls = st.tuples(st.integers(1, 3), st.sampled_from(["call-0", "call-1"]), st.none() | good_ends).map(list)
good_histories = st.tuples(
    st.none() | st.just("+358912345678"),
    st.dictionaries(st.sampled_from(["spring", "regional", "🦉"]), good_calls, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["+358912345678", "+358331234567"]), st.just(AT_US), min_size=1),
    st.lists(st.tuples(st.sampled_from(["spring", "autumn"]), st.just("call-1"), good_ends).map(list), max_size=17),
).map(list)


@st.composite
def one_odd_place(draw: st.DrawFn) -> object:
    """A history as it is packed, one place of which is anything."""
    history = draw(good_histories)
    node, place = draw(st.sampled_from(list(_places(history))))
    if isinstance(node, dict) and draw(st.booleans()):
        node[draw(unicode_texts | st.just("112"))] = node.pop(place)
    else:
        node[place] = draw(_like(node[place]) if draw(st.booleans()) else odd)
    return history


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or mapping within one, with every place in it."""
    for place in node if isinstance(node, dict) else range(len(node)):
        yield node, place
        if isinstance(node[place], list | dict):
            yield from _places(node[place])


def _like(value: object) -> st.SearchStrategy[Any]:
    """What is of the type of a value, and not of its range."""
    return integers | times_us if isinstance(value, int) else unicode_texts | numbers


def packed(fields: object) -> bytes:
    return b"41 \x01" + msgspec.msgpack.encode(fields)


rubbish = st.binary(max_size=60) | st.binary(max_size=60).map(b"41 \x01".__add__) | mutated(good_histories.map(packed))


@settings(max_examples=EXAMPLES)
@given(st.booleans().flatmap(lambda odd: one_odd_place() if odd else good_histories).map(packed) | rubbish)
@example(b"41 \x01\x94\xc0\x80\x80\xdd\xff\xff\xff\xff")  # a list of 4 billion, of which none is there
@example(b"41 \x01\x94\xc0\xdf\xff\xff\xff\xff")
@example(b"41 \x01" + b"\x91" * 100_000)
@example(packed(["+358912345678", {"spring": [2**64 - 1, "call-0", None]}, {"+358912345678": 0}, []]))
@example(packed(["+358912345678", {"spring": [1, "call-0", None]}, {"+358912345678": EARLIEST_US - 1}, []]))
@example(packed(["+358912345678\n", {"spring": [1, "call-0", None]}, {"+358912345678": 0}, []]))
@example(b"9" * 30 + b" \x01\x90")
def test_nothing_fails_on_what_is_stored_if_it_is_not_refused(value: bytes) -> None:
    try:
        history, version = decode(value)
    except StateError:
        return
    assert_of_possible_shape(history)
    assert decode(encode(history, version)) == (history, version)
    assert all(isinstance(line, str) for line in explain_history(history))
    for project_id in ("spring", "regional", "autumn"):
        again, _ = decode(value)
        settled = SETTLER.settle("contact-1", events(project_id), Snapshot(again, version, {}))
        for answer in settled.answers:
            assert_fits_the_contract(answer.value)
        assert settled.change is not None
        encode(settled.change.history, version + 1)
        assert all(isinstance(line, str) for line in explain_history(settled.change.history))


def events(project_id: str) -> list[Incoming]:
    """Two calls and an outcome, of a project that the stored history may know."""
    ids = {"project_id": project_id, "contact_id": "contact-1"}
    at = "2026-11-24T10:00:00Z"
    request = {"type": "call-requested", **ids, "phone": "+358401234567", "agent_id": "anna", "requested_at": at}
    outcome = {"type": "call-outcome", **ids, "call_id": "call-1", "outcome": "voicemail", "occurred_at": at}
    return [
        Incoming(0, RECORD, event_of(msgspec.json.encode(request | {"call_id": "call-1"}))),
        Incoming(1, RECORD, event_of(msgspec.json.encode(outcome))),
        Incoming(2, RECORD, event_of(msgspec.json.encode(request | {"call_id": "call-2"}))),
    ]


def assert_of_possible_shape(history: ContactHistory) -> None:
    assert all(calls.attempts > 0 for calls in history.projects.values())
    assert len(history.projects) <= MAX_PROJECTS
    assert uses.count(history.uses) <= MAX_NUMBERS
    assert len(history.waiting) <= MAX_WAITING
    shown = [
        history.last_number,
        *uses.unpack(history.uses),
        *(calls.end.next_number for calls in history.projects.values() if calls.end),
    ]
    assert all(number is None or (number.startswith("+") and number[1:].isdecimal()) for number in shown)
