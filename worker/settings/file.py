"""The settings as a file: YAML, with every problem of it told at once."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schemas.settings import SettingsRecord
from worker.settings.check import Entry, check
from worker.settings.document import Document, NotYamlError, read_document
from worker.settings.problem import Fault, Loc, Problem, SettingsFileError, did_you_mean, shown
from worker.settings.sections import SECTIONS, Section
from worker.settings.words import faults_of

__all__ = ["MAX_BYTES", "Problem", "SettingsFile", "SettingsFileError", "load", "parse"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""Size of a settings file that is read at all: some million numbers."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The records of a file that fits and fits together, in the order of the file."""

    path: Path
    records: tuple[SettingsRecord, ...]

    @property
    def summary(self) -> str:
        """What the file holds, counted: `5 numbers, 1 project, 2 agents, 0 outcomes`."""
        return ", ".join(_counted(section, self.records) for section in SECTIONS)


def load(path: Path) -> SettingsFile:
    """Read and check a settings file. Raises `SettingsFileError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsFileError(path, [unreadable(error)]) from error
    if len(content) > MAX_BYTES:
        what = f"the file is larger than {MAX_BYTES // 1024**2} MiB"
        raise SettingsFileError(path, [Problem(0, 0, "", what, "is it a settings file? If so, list less")])
    return parse(content, path)


def parse(content: bytes, path: Path) -> SettingsFile:
    """Read and check what a settings file holds; `path` is for messages. Raises `SettingsFileError`."""
    try:
        document = read_document(content)
    except NotYamlError as error:
        raise SettingsFileError(path, [error.problem]) from None
    if document.data is None and not document.problems:
        mend = "list numbers, projects, agents and outcomes; to have none at all write {}"
        raise SettingsFileError(path, [Problem(0, 0, "", "the file is empty", mend)])
    faults: list[Fault] = []
    entries = list(_entries(document.data, faults))
    faults += check(entries, _numbers_as_written(document))
    if problems := _told_once(document, faults):
        raise SettingsFileError(path, problems)
    return SettingsFile(path, tuple(entry.record for entry in entries))


def unreadable(error: OSError) -> Problem:
    """Why the operating system does not give the file, in words."""
    match error:
        case FileNotFoundError():
            what, mend = "there is no such file", "correct the path"
        case IsADirectoryError():
            what, mend = "this is a directory", "give the path of a file in it"
        case PermissionError():
            what, mend = "the file may not be read", "let the user who runs the command read it"
        case _:
            reason = os.strerror(error.errno) if error.errno else "no reason given"
            what, mend = f"the file cannot be read: {reason}", "correct the path, or the disk"
    return Problem(0, 0, "", what, mend)


def _entries(data: object, faults: list[Fault]) -> Iterator[Entry]:
    if not isinstance(data, dict):
        mend = "begin with one of " + ", ".join(f"{section.name}:" for section in SECTIONS)
        faults.append(Fault((), f"{shown(data)} stands where the sections belong", mend))
        return
    faults += _unknown(data, [section.name for section in SECTIONS], (), "section")
    for section in SECTIONS:
        rows = data.get(section.name, [])
        if not isinstance(rows, list):
            what = f"{shown(rows)} stands where a list of {section.name} belongs"
            faults.append(Fault((section.name,), what, "begin each with a - ; write [] for none"))
            continue
        for place, row in enumerate(rows):
            yield from _entry(section, (section.name, place), row, faults)


def _entry(section: Section, loc: Loc, row: object, faults: list[Fault]) -> Iterator[Entry]:
    if not isinstance(row, dict):
        mend = f"write its settings as {section.id_field}: …, one a line or within {{ }}"
        faults.append(Fault(loc, f"{shown(row)} stands where a row of {section.name} belongs", mend))
        return
    fields = [field for field in section.model.model_fields if field != "type"]  # the section tells the type
    unknown = _unknown(row, fields, loc, "field")
    faults += unknown
    try:
        record = section.model.model_validate({name: row[name] for name in fields if name in row})
    except ValidationError as error:
        faults += faults_of(error, loc)
    else:
        yield Entry(loc, record)


def _unknown(row: dict[str, object], known: Sequence[str], loc: Loc, noun: str) -> list[Fault]:
    otherwise = "write one of " + ", ".join(known)
    return [
        Fault((*loc, name), f"there is no {noun} {shown(name)}", did_you_mean(name, known, otherwise), at_name=True)
        for name in row
        if name not in known
    ]


def _numbers_as_written(document: Document) -> Iterator[str]:
    rows = document.data.get("numbers") if isinstance(document.data, dict) else None
    for row in rows if isinstance(rows, list) else ():
        number = row.get("number") if isinstance(row, dict) else None
        if isinstance(number, str):
            yield number


def _told_once(document: Document, faults: Iterable[Fault]) -> list[Problem]:
    # What only follows from an unreadable value is left out, and so is what an alias would say again.
    unreadable_places = {(problem.line, problem.column) for problem in document.problems}
    told = {(problem.line, problem.column, problem.what): problem for problem in document.problems}
    for problem in map(document.problem, faults):
        if (problem.line, problem.column) not in unreadable_places:
            told.setdefault((problem.line, problem.column, problem.what), problem)
    return list(told.values())


def _counted(section: Section, records: Iterable[SettingsRecord]) -> str:
    count = sum(record.type == section.kind for record in records)
    return f"{count} {section.kind if count == 1 else section.name}"
