"""Logging: JSON lines in production, readable on a terminal, personal data masked.

Phone numbers and contact ids are personal data. They are masked wherever they stand: in a field that is named
for one, and in any text that has something like an international number in it.
"""

import logging
import re
import sys
import traceback
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.config import Config

CONTACT_FIELDS: Final = frozenset({"contact_id", "contact", "call_id"})
"""Fields that identify a contact."""

SELDOM_S: Final = 10.0
"""How long a message of aiokafka is not shown again."""

_NUMBER = re.compile(r"[+＋][0-9](?:[ ().\-/]{0,3}[0-9]){5,16}")  # noqa: RUF001 - a plus sign, fullwidth, is one


class Mask:
    """Masks what a log line holds. `key` makes the fingerprints of ids useless to who does not have it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Mask a line: a processor of structlog."""
        return {name: self._masked(value, name) for name, value in event.items()}

    def contact(self, contact_id: str) -> str:
        """A fingerprint: the same for the same id, so that two lines about one contact can be told to be."""
        return "#" + blake2b(contact_id.encode("utf-8", "replace"), key=self._key, digest_size=4).hexdigest()

    @staticmethod
    def numbers(text: str) -> str:
        """The text with the middle of each international number blotted out."""
        return _NUMBER.sub(lambda found: f"{found[0][:3]}***{found[0][-2:]}", text)

    def _masked(self, value: object, name: str = "") -> object:
        match value:
            case str():
                return self.contact(value) if name in CONTACT_FIELDS else self.numbers(value)
            case dict():
                return {self._masked(key): self._masked(each, str(key)) for key, each in value.items()}
            case list() | tuple():
                return [self._masked(each, name) for each in value]
            case _:
                return value


class Seldom(logging.Filter):
    """Lets a message of aiokafka through once in a while: it says ten times a second that a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_at_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether to show it. What counts as the same message is its text before the values are filled in."""
        if not record.name.startswith("aiokafka"):
            return True
        message = record.name, str(record.msg)
        if record.created - self._shown_at_s.get(message, float("-inf")) < SELDOM_S:
            return False
        self._shown_at_s[message] = record.created
        return True


class Lines:
    """Writes lines to a stream, under the name of a module.

    A line that cannot be written, as on a full disk, is lost: calls are to be answered all the same.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write a line."""
        with suppress(OSError, ValueError):  # the latter: the stream is closed
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _exception_without_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell an exception by its type and where it came from: its words may be anybody's data."""
    exception = event.pop("exc_info", None)
    if exception is True:
        exception = sys.exc_info()
    if isinstance(exception, BaseException):
        exception = (type(exception), exception, exception.__traceback__)
    if exception and exception[0] is not None:
        frames = "".join(traceback.format_tb(exception[2]))
        event["exception"] = f"{frames}{exception[0].__module__}.{exception[0].__qualname__}"
    return event


def configure(config: Config) -> None:
    """Set up logging for the process, the libraries' included. Lines go to standard error."""
    as_json = config.log_format == "json" or (config.log_format == "auto" and not sys.stderr.isatty())
    masking: list[Processor] = [_exception_without_words, Mask(config.selection_key.get_secret_value().encode())]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([structlog.processors.format_exc_info] if config.log_personal_data else masking),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    # The worker's own lines go straight to the stream: by way of the standard library each takes twice the time, and
    # there is one for each batch.
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=partial(Lines, sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiokafka").setLevel(max(logging.WARNING, level))
