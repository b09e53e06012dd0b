"""The user's own events: a file of JSON lines, checked as a whole before any of it is sent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import ValidationError

from schemas.events import DIALER_EVENT, CallOutcome, CallRequested

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_EVENT_BYTES: Final = 1_000_000
"""What a record of Kafka takes by default, less some room for the record's own fields."""

MAX_BYTES: Final = 256 * 1024 * 1024
"""Size of an events file that is read at all, for it is held in memory: about a million events."""

MAX_SHOWN: Final = 100
"""Problems that the text of an error lists. A file can have as many as it has lines."""


class FileEvent(NamedTuple):
    """An event, and its line as it stands in the file."""

    value: bytes
    event: CallRequested | CallOutcome


class EventsFileError(Exception):
    """The file cannot be read or does not fit; the text has a line for each problem."""


def load_events(path: Path) -> list[FileEvent]:
    """The events of a file, in its order. Blank lines are allowed. Raises `EventsFileError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise EventsFileError(f"{path}: the file cannot be read: {reason}; correct the path") from error
    if len(content) > MAX_BYTES:
        raise EventsFileError(f"{path}: the file is larger than {MAX_BYTES // 1024**2} MiB; send it in parts")
    events: list[FileEvent] = []
    problems: list[str] = []
    for number, line in enumerate(map(bytes.strip, content.split(b"\n")), start=1):
        if not line:
            continue
        try:
            events.append(FileEvent(line, DIALER_EVENT.validate_json(line)))
        except ValidationError as error:
            problems += (f"{path}:{number}: {problem}" for problem in _problems(error))
        if len(line) > MAX_EVENT_BYTES:
            problems.append(f"{path}:{number}: {len(line):,} bytes; Kafka takes at most {MAX_EVENT_BYTES:,}")
    if len(problems) > MAX_SHOWN:
        problems[MAX_SHOWN:] = [f"{path}: {len(problems) - MAX_SHOWN} more problems"]
    if problems:
        raise EventsFileError("\n".join(problems))
    return events


def _problems(error: ValidationError) -> Iterator[str]:
    for details in error.errors(include_url=False, include_input=False):
        yield _problem(details)


def _problem(details: "ErrorDetails") -> str:
    match details["type"]:
        case "union_tag_not_found" | "union_tag_invalid":
            return "type: write call-requested or call-outcome"
        case "json_invalid":
            return f"not JSON: {details['ctx']['error']}"
    _type, *path = details["loc"] or ("",)  # pydantic puts the event's type before the field
    return ": ".join([*filter(None, [".".join(map(str, path))]), details["msg"]])
