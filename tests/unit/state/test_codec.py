from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.selection import uses
from worker.selection.history import (
    MAX_NUMBERS,
    MAX_PROJECTS,
    MAX_WAITING,
    CallEnd,
    ContactHistory,
    ProjectCalls,
    WaitingOutcome,
    microseconds,
)
from worker.state.codec import FORMAT, DamagedStateError, NewerFormatError, StateError, decode, encode, head

EARLIEST_US, LATEST_US = microseconds(datetime.min.replace(tzinfo=UTC)), microseconds(datetime.max.replace(tzinfo=UTC))
FIRST_US = microseconds(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))

HISTORY = ContactHistory(
    last_number="+358912345678",
    projects={
        "spring": ProjectCalls(2, "call-2", CallEnd("busy", "+358331234567", FIRST_US + 120_000_000)),
        "Kesä {1}\n": ProjectCalls(1, "call-3"),
    },
    uses=uses.pack({"+358331234567": FIRST_US, "+358912345678": FIRST_US + 60_000_001}),
    waiting=[WaitingOutcome("spring", "call-4", CallEnd("deal", None, FIRST_US + 180_000_000))],
)

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NUMBERS = st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True)
TIMES_US = st.integers(EARLIEST_US, LATEST_US)
ENDS = st.builds(CallEnd, IDS, st.none() | NUMBERS, TIMES_US)
HISTORIES = st.builds(
    ContactHistory,
    st.none() | NUMBERS,
    st.dictionaries(IDS, st.builds(ProjectCalls, st.integers(1, 2**40), IDS, st.none() | ENDS), max_size=4),
    st.dictionaries(NUMBERS, TIMES_US, max_size=4).map(uses.pack),
    st.lists(st.builds(WaitingOutcome, IDS, IDS, ENDS), max_size=4),
)


@given(history=HISTORIES, version=st.integers(1, 10**17))
def test_a_history_comes_back_as_it_was_stored(history: ContactHistory, version: int) -> None:
    decoded, read_version = decode(encode(history, version))

    assert (decoded, read_version) == (history, version)
    assert list(decoded.projects) == list(history.projects)  # their order is that of the calls


def test_an_absent_contact_has_an_empty_history_of_version_0() -> None:
    assert decode(None) == (ContactHistory(), 0)


@given(version=st.integers(1, 10**17))
def test_a_stored_value_begins_with_the_head_of_its_version(version: int) -> None:
    assert encode(HISTORY, version).startswith(head(version))
    assert not encode(HISTORY, version + 1).startswith(head(version))


def test_an_absent_contact_has_an_empty_head() -> None:
    assert head(0) == b""


@pytest.mark.parametrize("newer", [FORMAT + 1, 255])
def test_a_newer_format_is_told_from_damage(newer: int) -> None:
    with pytest.raises(NewerFormatError, match=f"format {newer}"):
        decode(b"3 %canything" % newer)


PAYLOAD = msgspec.msgpack.encode(HISTORY)
STORED = encode(HISTORY, 41)
FORMAT_1 = msgspec.msgpack.encode(["+358912345678", {"spring": [1, "call-1", None]}, {"+358912345678": FIRST_US}, []])


@given(st.integers(0, 8 * len(STORED) - 1))
def test_a_bit_that_turned_over_is_recognised_or_makes_another_version(bit: int) -> None:
    damaged = bytearray(STORED)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        history, version = decode(bytes(damaged))
    except StateError:
        return
    assert (history, version != 41) == (HISTORY, True)  # which no replica reads twice: it is compared when written


@pytest.mark.parametrize("length", range(len(STORED)))
def test_a_value_that_was_cut_short_is_recognised(length: int) -> None:
    with pytest.raises(DamagedStateError):
        decode(STORED[:length])


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"41", id="only digits"),
        pytest.param(b"41 ", id="no format"),
        pytest.param(STORED + b"\x00", id="more than was written"),
        pytest.param(b"41 \x02" + PAYLOAD, id="no checksum"),
        pytest.param(encode(ContactHistory(), 41).replace(b"\x02", b"\x01"), id="a checksum in format 1"),
        pytest.param(b"0 \x01" + FORMAT_1, id="version 0, which is an absent contact"),
        pytest.param(b"041 \x01" + FORMAT_1, id="a version the script would not find equal"),
        pytest.param(b"-1 \x01" + FORMAT_1, id="a negative version"),
        pytest.param(b"9" * 5_000 + b" \x01" + FORMAT_1, id="an endless version"),
        pytest.param(b"41 \x00" + FORMAT_1, id="a format that never was"),
        pytest.param(b"41 \x01", id="no payload"),
        pytest.param(b"41 \x01" + FORMAT_1[:-1], id="cut short"),
        pytest.param(b"41 \x01" + FORMAT_1 + b"\x00", id="more than a payload"),
        pytest.param(b"41 \x01" + msgspec.msgpack.encode([1, {}, {}, []]), id="another type in a field"),
        pytest.param(b"41 \x01\x94\xa1\xff\x80\x80\x90", id="no unicode"),
        pytest.param(b"41 \x01" + b"\x91" * 100_000, id="depth without end"),
    ],
)
def test_damaged_bytes_are_recognised(stored: bytes) -> None:
    with pytest.raises(DamagedStateError):
        decode(stored)


END = ["busy", None, 0]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["358912345678", {}, {}, []], id="a last number that is not E.164"),
        pytest.param(["+358912345678\n", {}, {}, []], id="a line break after the last number"),
        pytest.param([None, {"spring": [0, "call-1", None]}, {}, []], id="no attempts"),
        pytest.param([None, {"spring": [-1, "call-1", None]}, {}, []], id="negative attempts"),
        pytest.param([None, {"spring": [2**53, "call-1", None]}, {}, []], id="more attempts than JSON can tell"),
        pytest.param([None, {"spring": [2**64 - 1, "call-1", None]}, {}, []], id="attempts that cannot be counted on"),
        pytest.param([None, {"spring": [1.0, "call-1", None]}, {}, []], id="attempts with a fraction"),
        pytest.param([None, {"spring": [1, "", None]}, {}, []], id="a latest call without an id"),
        pytest.param([None, {"": [1, "call-1", None]}, {}, []], id="a project without an id"),
        pytest.param([None, {"x" * 1_001: [1, "call-1", None]}, {}, []], id="a project with a longer id than any"),
        pytest.param([None, {"spring": [1, "call-1", ["busy", "112", 0]]}, {}, []], id="a next number not in E.164"),
        pytest.param([None, {"spring": [1, "call-1", ["", None, 0]]}, {}, []], id="an outcome without a name"),
        pytest.param([None, {}, {"+358912345678": LATEST_US + 1}, []], id="a use after the year 9999"),
        pytest.param([None, {}, {"+358912345678": EARLIEST_US - 1}, []], id="a use before the year 1"),
        pytest.param([None, {}, {"Anna": 0}, []], id="a use of something else than a number"),
        pytest.param([None, {}, {}, [["spring", "call-1", ["busy", None, LATEST_US + 1]]]], id="an end after 9999"),
        pytest.param([None, {}, {}, [["spring", "call-1", END]] * (MAX_WAITING + 1)], id="too many waiting"),
        pytest.param([None, {}, {f"+{n}": 0 for n in range(10, MAX_NUMBERS + 11)}, []], id="too many numbers"),
        pytest.param([None, {f"{n}": [1, "c", None] for n in range(MAX_PROJECTS + 1)}, {}, []], id="too many projects"),
        pytest.param([None, {}, {}, [], 7], id="a field more, which is another format"),
    ],
)
def test_a_history_that_no_events_make_is_recognised_as_damaged(fields: list[object]) -> None:
    with pytest.raises(DamagedStateError):
        decode(b"41 \x01" + msgspec.msgpack.encode(fields))


def test_a_history_at_every_bound_is_read() -> None:
    end = CallEnd("o" * 1_000, "+12", EARLIEST_US)
    history = ContactHistory(
        "+123456789012345",
        {f"{n:🦉>1000}": ProjectCalls(2**53 - 1, "c" * 1_000, end) for n in range(MAX_PROJECTS)},
        uses.pack({f"+{n}": LATEST_US for n in range(10, MAX_NUMBERS + 10)}),
        [WaitingOutcome("p" * 1_000, "c" * 1_000, end)] * MAX_WAITING,
    )
    assert decode(encode(history, 10**17)) == (history, 10**17)


def test_format_1_is_read() -> None:
    history = ContactHistory(
        "+358912345678", {"spring": ProjectCalls(1, "call-1")}, uses.pack({"+358912345678": FIRST_US}), []
    )
    assert decode(b"41 \x01" + FORMAT_1) == (history, 41)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(b"41 \x01".__add__))
def test_whatever_the_bytes_are_they_are_decoded_or_refused(stored: bytes) -> None:
    try:
        history, version = decode(stored)
    except StateError:
        return
    assert decode(encode(history, version)) == (history, version)
