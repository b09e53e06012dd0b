"""Which dead letters can be sent back, and what of their records goes with them."""

import pytest
from aiokafka.structs import ConsumerRecord

from schemas import headers
from worker.cli.letter import shown
from worker.log import Mask
from worker.stream.dead_letters import Choice, Letter, _letter, _noted, refusal

TOLD = (
    (headers.ERROR_TOPIC, b"call-requested"),
    (headers.ERROR_PARTITION, b"3"),
    (headers.ERROR_OFFSET, b"41"),
    (headers.ERROR_STAGE, b"VALUE_CONVERTER"),
    (headers.ERROR_MESSAGE, b"phone: wrong"),
)


def record(
    *described: tuple[str, bytes | None], value: bytes | None = b"{}", key: bytes | None = b"k"
) -> ConsumerRecord:
    return ConsumerRecord("dead-letters", 3, 7, 1_000, 0, key, value, None, 1, 2, described)


def letter(*described: tuple[str, bytes | None], value: bytes | None = b"{}") -> Letter:
    return _letter(record(*described, value=value), is_replayed=False)


def test_only_the_headers_that_tell_of_the_error_are_taken_off() -> None:
    read = letter(("trace", b"1"), ("trace", None), *TOLD, ("__connect.errors.task.id", b"2"))
    assert read.headers == (("trace", b"1"), ("trace", None))
    assert (read.topic, read.source_partition, read.source_offset) == ("call-requested", 3, 41)


def test_a_record_that_was_a_dead_letter_before_is_told_by_its_latest_headers() -> None:
    assert letter((headers.ERROR_TOPIC, b"other"), (headers.ERROR_PARTITION, b"9"), *TOLD).topic == "call-requested"


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ((*TOLD, (headers.VALUE_OMITTED, b"9 bytes")), "without their value"),
        ((*TOLD, (headers.ERROR_TOPIC, b"payments")), "not from a topic that the worker reads"),
        ((), "not from a topic that the worker reads"),
        ((*TOLD, (headers.ERROR_PARTITION, b"12")), "partition that is not there"),
        ((*TOLD, (headers.ERROR_PARTITION, b"-1")), "partition that is not there"),
        ((*TOLD, (headers.ERROR_PARTITION, "³".encode())), "partition that is not there"),
    ],
)
def test_what_cannot_be_sent_back_is_told_why(described: tuple[tuple[str, bytes | None], ...], words: str) -> None:
    assert words in (refusal(letter(*described), {"call-requested": 12}) or "")
    assert refusal(letter(*TOLD), {"call-requested": 12}) is None


def test_a_letter_is_no_note_whatever_headers_it_has() -> None:
    assert _noted(record((headers.REPLAYED, b"7"), key=None, value=None)) == b"7"
    assert _noted(record((headers.REPLAYED, b"7"))) is None
    assert _noted(record((headers.REPLAYED, b"7"), *TOLD, key=None, value=None)) is None


@pytest.mark.parametrize(
    "value",
    [
        b'{"contact_id": "secret", "call_id": "secret", "phone": "secret", "name": "secret", "nested": ["secret"]}',
        b'{"phone": 401234567, "secret name": 1, "contact_id": {"secret": 1}}',
        b'["secret"]',
        b'{"contact_id": "secret"',
        b"\xff secret",
    ],
)
def test_a_value_shows_nothing_that_may_be_about_a_person(value: bytes) -> None:
    told = "\n".join(shown(letter(("trace", b"secret"), *TOLD, value=value), Mask(b"")))
    assert "secret" not in told
    assert "401234567" not in told


def test_what_would_steer_a_terminal_is_not_printed() -> None:
    told = "\n".join(shown(letter(*TOLD, (headers.ERROR_MESSAGE, b"\x1b[2J"), value=b"\x1b[2J"), None))
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        (Choice(), True),
        (Choice(topic="call-requested"), True),
        (Choice(topic="call"), False),
        (Choice(reason="PHONE"), True),
        (Choice(reason="agent"), False),
        (Choice(stage="VALUE_CONVERTER"), True),
        (Choice(stage="VALUE"), False),
        (Choice(since_ms=1_000), True),
        (Choice(since_ms=1_001), False),
        (Choice(until_ms=1_001), True),
        (Choice(until_ms=1_000), False),
        (Choice(contact_id="anna"), True),
        (Choice(contact_id="k"), False),
        (Choice(topic="call-requested", reason="agent"), False),
    ],
)
def test_letters_are_chosen_by_all_that_is_asked_for(choice: Choice, fits: bool) -> None:  # noqa: FBT001 - expected
    assert choice.fits(letter(*TOLD, value=b'{"contact_id": "anna"}')) is fits


@pytest.mark.parametrize("value", [None, b"", b"[1]", b"\xff", b"[" * 100_000, b'{"contact_id": 1}'])
def test_the_key_tells_whose_record_it_is_if_the_value_does_not(value: bytes | None) -> None:
    assert letter(*TOLD, value=value).contact_id == "k"
