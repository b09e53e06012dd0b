"""Personal data does not get into the logs, whatever form it comes in."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from worker import log
from worker.config import Config

SECRETS = ("358401234567", "0401234567", "40 123 4567", "contact-77")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log.configure(Config(log_format="json", log_level="debug"))
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "number",
    [
        "+358401234567",
        "+358 40 123 4567",
        "+358 (40) 123-4567",
        "+358-40-1234567",
        "\N{FULLWIDTH PLUS SIGN}358401234567",
        "+1.212.555.0190",
    ],
)
def test_a_number_is_masked_wherever_it_stands(written: io.StringIO, number: str) -> None:
    structlog.get_logger("t").info("said", text=f"calling {number} now", nested={"a": [number], number: 1})
    line = written.getvalue()
    assert "calling" in line
    assert number not in line
    assert "".join(filter(str.isdigit, number))[3:9] not in "".join(filter(str.isdigit, line))


def test_an_id_of_a_contact_is_shown_as_a_fingerprint_of_its_own(written: io.StringIO) -> None:
    for contact in ("contact-77", "contact-77", "contact-78"):
        structlog.get_logger("t").info("said", contact_id=contact, nested={"contact_id": contact})
    first, again, other = (json.loads(line) for line in written.getvalue().splitlines())
    assert first["contact_id"] == again["contact_id"] != other["contact_id"]
    assert "contact-77" not in written.getvalue()


def test_a_fingerprint_takes_the_key_to_make() -> None:
    assert log.Mask(b"one").contact("contact-77") != log.Mask(b"two").contact("contact-77")


def test_the_words_of_an_exception_are_not_shown(written: io.StringIO) -> None:
    words = "contact-77 +358401234567"
    try:
        raise KeyError(words)  # noqa: TRY301 - raised to be logged
    except KeyError:
        structlog.get_logger("t").exception("failed")
        logging.getLogger("library").exception("failed")
    ours, theirs = (json.loads(line) for line in written.getvalue().splitlines())
    for line in (ours, theirs):
        assert "KeyError" in line["exception"]
        assert "test_log.py" in line["exception"]
    assert not any(secret in written.getvalue() for secret in SECRETS)


def test_the_lines_of_libraries_are_masked(written: io.StringIO) -> None:
    logging.getLogger("library").warning("cannot reach %s", "+358401234567")
    assert "cannot reach" in written.getvalue()
    assert "358401234567" not in written.getvalue()


def test_a_line_names_its_level_and_where_it_comes_from(written: io.StringIO) -> None:
    structlog.get_logger("worker.ours").warning("said")
    logging.getLogger("library").warning("said")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("said", "warning", "worker.ours"),
        ("said", "warning", "library"),
    ]


def test_lines_below_the_level_are_not_shown(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written)
    log.configure(Config(log_format="json", log_level="warning"))
    for logger in (structlog.get_logger("worker.ours"), logging.getLogger("library")):
        logger.info("whispered")
        logger.error("said")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["said", "said"]


def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch, written: io.StringIO) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        log.configure(Config(log_format="json"))
        structlog.get_logger("worker.ours").info("said")
        monkeypatch.setattr(sys, "stderr", written)
        with suppress(OSError):
            full.close()


def test_who_asks_for_it_is_shown_everything(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written)
    log.configure(Config(log_format="json", log_personal_data=True))
    structlog.get_logger("t").info("said", contact_id="contact-77", phone="+358401234567")
    assert "contact-77" in written.getvalue()
    assert "+358401234567" in written.getvalue()


def test_a_message_of_aiokafka_is_shown_once_in_a_while() -> None:
    seldom = log.Seldom()

    def shown(at_s: float, name: str = "aiokafka.client", text: str = "no node %s") -> bool:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, (at_s,), None)
        record.created = at_s
        return seldom.filter(record)

    assert shown(1.0)
    assert not shown(1.1)
    assert not shown(log.SELDOM_S)
    assert shown(1.0 + log.SELDOM_S)
    assert shown(1.1, text="another message")
    assert shown(1.1, name="worker.loop") == shown(1.2, name="worker.loop") is True
