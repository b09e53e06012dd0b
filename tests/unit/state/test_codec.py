from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.selection.history import CallEnd, ContactHistory, ProjectCalls, WaitingOutcome, microseconds
from worker.state.codec import FORMAT, DamagedStateError, NewerFormatError, StateError, decode, encode, head

GOLDEN = Path(__file__).parent / "golden"
FIRST_US = microseconds(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))

HISTORY = ContactHistory(
    last_number="+358912345678",
    projects={
        "spring": ProjectCalls(2, "call-2", CallEnd("busy", "+358331234567", FIRST_US + 120_000_000)),
        "Kesä {1}\n": ProjectCalls(1, "call-3"),
    },
    used_at_us={"+358331234567": FIRST_US, "+358912345678": FIRST_US + 60_000_001},
    waiting=[WaitingOutcome("spring", "call-4", CallEnd("deal", None, FIRST_US + 180_000_000))],
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES_US = st.integers(-(2**62), 2**62)
ENDS = st.builds(CallEnd, TEXTS, st.none() | TEXTS, TIMES_US)
HISTORIES = st.builds(
    ContactHistory,
    st.none() | TEXTS,
    st.dictionaries(TEXTS, st.builds(ProjectCalls, st.integers(0, 2**40), TEXTS, st.none() | ENDS), max_size=4),
    st.dictionaries(TEXTS, TIMES_US, max_size=4),
    st.lists(st.builds(WaitingOutcome, TEXTS, TEXTS, ENDS), max_size=4),
)


@given(history=HISTORIES, version=st.integers(1, 10**17))
def test_a_history_comes_back_as_it_was_stored(history: ContactHistory, version: int) -> None:
    decoded, read_version = decode(encode(history, version))

    assert (decoded, read_version) == (history, version)
    assert list(decoded.projects) == list(history.projects)  # their order is that of the calls


def test_format_1_is_written_and_read_as_it_always_was() -> None:
    golden = (GOLDEN / "contact-format-1.bin").read_bytes()

    assert decode(golden) == (HISTORY, 41)
    assert encode(HISTORY, 41) == golden


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


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"41", id="only digits"),
        pytest.param(b"41 ", id="no format"),
        pytest.param(b"0 \x01" + PAYLOAD, id="version 0, which is an absent contact"),
        pytest.param(b"041 \x01" + PAYLOAD, id="a version the script would not find equal"),
        pytest.param(b"-1 \x01" + PAYLOAD, id="a negative version"),
        pytest.param(b"9" * 5_000 + b" \x01" + PAYLOAD, id="an endless version"),
        pytest.param(b"41 \x00" + PAYLOAD, id="a format that never was"),
        pytest.param(b"41 \x01", id="no payload"),
        pytest.param(b"41 \x01" + PAYLOAD[:-1], id="cut short"),
        pytest.param(b"41 \x01" + PAYLOAD + b"\x00", id="more than a payload"),
        pytest.param(b"41 \x01" + msgspec.msgpack.encode([1, {}, {}, []]), id="another type in a field"),
        pytest.param(b"41 \x01\x94\xa1\xff\x80\x80\x90", id="no unicode"),
        pytest.param(b"41 \x01" + b"\x91" * 100_000, id="depth without end"),
    ],
)
def test_damaged_bytes_are_recognised(stored: bytes) -> None:
    with pytest.raises(DamagedStateError):
        decode(stored)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(b"41 \x01".__add__))
def test_whatever_the_bytes_are_they_are_decoded_or_refused(stored: bytes) -> None:
    try:
        history, version = decode(stored)
    except StateError:
        return
    assert decode(encode(history, version)) == (history, version)
