"""What is wrong with a settings file, where, and how to mend it."""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

Loc = tuple[str | int, ...]
"""The way from the top of the file to a value: names of fields and places in lists, counted from 0."""

MAX_SHOWN: Final = 100
"""Problems that the text of an error lists. A file can have as many as it has lines."""

_MAX_SHOWN_CHARACTERS: Final = 60
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Fault(NamedTuple):
    """Something wrong at a value, or at the name before it. `first` is the value that it repeats."""

    loc: Loc
    what: str
    mend: str
    at_name: bool = False
    first: Loc | None = None


class Problem(NamedTuple):
    """Something wrong with the file. `line` and `column` count from 1; both are 0 for the file as a whole."""

    line: int
    column: int
    where: str
    what: str
    mend: str


class SettingsFileError(Exception):
    """A settings file does not fit. `problems` has all that is wrong with it, in the order of the file."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems)
        super().__init__(path, self.problems)

    def __str__(self) -> str:
        lines = [self._line(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"{self.path}: {len(self.problems) - MAX_SHOWN} more problems")
        return "\n".join(lines)

    def _line(self, problem: Problem) -> str:
        place = f"{self.path}:{problem.line}:{problem.column}" if problem.line else f"{self.path}"
        where = f"{problem.where}: " if problem.where else ""
        return f"{place}: {where}{problem.what}; {problem.mend}"


def path_of(loc: Loc) -> str:
    """The place as people write it: `projects[0].numbers[1]`."""
    parts = (f".{part}" if _is_plain(part) else f"[{shown(part)}]" for part in loc)
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """A value as it can be shown on one line of a terminal: text in quotes, cut short when long."""
    match value:
        case None:
            return "null"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case str():
            text = value if len(value) <= _MAX_SHOWN_CHARACTERS else value[:_MAX_SHOWN_CHARACTERS] + "…"
            return json.dumps(text, ensure_ascii=not text.isprintable())
        case _:
            return json.dumps(value)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A mend for a word that is not known: the known one that looks most like it, if one does."""
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _is_plain(part: str | int) -> bool:
    return isinstance(part, str) and _PLAIN_NAME.fullmatch(part) is not None
