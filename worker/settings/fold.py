"""The compacted settings topic folded into one table, record by record.

The fold trusts nobody: what does not parse is refused and counted, and never takes the place of a good record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from schemas.settings import (
    SETTINGS_RECORD,
    AgentSettings,
    NumberSettings,
    OutcomeSettings,
    ProjectSettings,
    SettingsRecord,
)
from worker.selection.routing import NO_SETTINGS_VERSION, Project, Routing
from worker.settings.sections import in_order

R = TypeVar("R")

_MAX_REASONS: Final = 3
"""Errors of one record that a refusal tells of."""

_MAX_SHOWN: Final = 1_000
"""Characters of a key or a reason that a refusal shows: either may be as long as the record lets it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record of the topic that changed nothing. `key` is for showing: bytes that are no text are escaped."""

    offset: int
    key: str
    reason: str


class _Section(Generic[R]):
    """The records of one kind by id, and a snapshot of them that is renewed only when they changed."""

    def __init__(self) -> None:
        self.records: dict[str, R] = {}
        self.changed: set[str] = set()
        self._snapshot: Mapping[str, R] = MappingProxyType({})

    @property
    def in_force(self) -> Iterable[R]:
        """The records as they are now."""
        return self.records.values()

    def put(self, record_id: str, record: R | None) -> None:
        """Set the record, or delete it for `None`."""
        if self.records.get(record_id) == record:
            return
        self.changed.add(record_id)
        if record is None:
            del self.records[record_id]
        else:
            self.records[record_id] = record

    def snapshot(self) -> Mapping[str, R]:
        """The records as they are now. What is put later does not reach it."""
        if self.changed:
            self._snapshot = MappingProxyType(dict(self.records))
            self.changed.clear()
        return self._snapshot


class _Numbers:
    """The inventory, of which a decision asks only whether a number is active.

    The records are kept in JSON: there may be 20,000, and a model of each would take up to 1.1 kB.
    """

    def __init__(self) -> None:
        self.active: _Section[bool] = _Section()
        self._json: dict[str, bytes] = {}

    @property
    def in_force(self) -> Iterable[SettingsRecord]:
        return map(SETTINGS_RECORD.validate_json, self._json.values())

    def put(self, number: str, record: NumberSettings | None) -> None:
        if record is None:
            self._json.pop(number, None)
            self.active.put(number, None)
        else:
            self._json[record.number] = record.model_dump_json(exclude_none=True).encode()
            self.active.put(record.number, record.active)


class Fold:
    """The settings in force after the records folded so far. `refusals` counts those that changed nothing."""

    def __init__(self) -> None:
        self.refusals = 0
        self.shadowed: set[str] = set()
        """Keys whose newest record was refused. Compaction keeps only that one, so that a replica which starts later
        will not have the good one before it: who applies settings writes these again."""
        self._version = NO_SETTINGS_VERSION
        self._numbers = _Numbers()
        self._projects: _Section[ProjectSettings] = _Section()
        self._agents: _Section[AgentSettings] = _Section()
        self._outcomes: _Section[OutcomeSettings] = _Section()
        self._sections: Mapping[str, Any] = {  # each takes the records of its kind
            "number": self._numbers,
            "project": self._projects,
            "agent": self._agents,
            "outcome": self._outcomes,
        }
        self._compiled: _Section[Project] = _Section()
        self._routing: Routing | None = None

    def fold(self, offset: int, key: bytes | None, value: bytes | None) -> Refusal | None:
        """Take the next record of the topic; no value deletes. Gives a refusal if the record changed nothing.

        The version advances either way: every replica that read this far has the same settings.
        """
        self._version = offset
        self._routing = None
        try:
            self._put(_decoded(key), value)
        except ValueError as error:
            self.refusals += 1
            shown = (key or b"").decode(errors="backslashreplace")
            if key is not None and shown.encode() == key:
                self.shadowed.add(shown)
            return Refusal(offset, shown[:_MAX_SHOWN], _reason(error)[:_MAX_SHOWN])
        return None

    def routing(self) -> Routing:
        """The settings as the decision reads them: the same object until the next record is folded.

        A project whose settings and numbers did not change stays the same object from one version to the next,
        and so keeps what was compiled of it.
        """
        if self._routing is None:
            self._compile_projects()
            self._routing = Routing(
                self._version,
                numbers=self._numbers.active.snapshot(),
                projects=self._compiled.snapshot(),
                agents=self._agents.snapshot(),
                outcomes=self._outcomes.snapshot(),
            )
        return self._routing

    def records(self) -> list[SettingsRecord]:
        """The records in force, by section and id."""
        return in_order(record for section in self._sections.values() for record in section.in_force)

    def _put(self, key: str, value: bytes | None) -> None:
        kind, _, record_id = key.partition(":")
        if value is None:
            self.shadowed.discard(key)
            if section := self._sections.get(kind):  # another kind would be tomorrow's, and has nothing to delete
                section.put(record_id, None)
            return
        record = SETTINGS_RECORD.validate_json(value)
        if record.key != key:
            raise ValueError("the key is not that of the record")
        self.shadowed.discard(key)
        self._sections[kind].put(record_id, record)

    def _compile_projects(self) -> None:
        stale = set(self._projects.changed)
        self._projects.changed.clear()
        if changed_numbers := self._numbers.active.changed:
            projects = self._projects.records.values()
            stale.update(each.project_id for each in projects if not changed_numbers.isdisjoint(each.numbers))
        for project_id in stale:
            settings = self._projects.records.get(project_id)
            self._compiled.put(project_id, None if settings is None else self._compile(settings))

    def _compile(self, settings: ProjectSettings) -> Project:
        # The project outlives this version of the inventory, so it is given its own numbers, not all of them.
        active = self._numbers.active.records
        return Project(settings, {number: active[number] for number in settings.numbers if number in active})


def _decoded(key: bytes | None) -> str:
    if key is None:
        raise ValueError("the record has no key")
    return key.decode()


def _reason(error: ValueError) -> str:
    match error:
        case ValidationError():
            found = error.errors(include_url=False, include_input=False)[:_MAX_REASONS]
            return "; ".join(": ".join((*map(str, each["loc"]), each["msg"])) for each in found)
        case UnicodeDecodeError():
            return "the key is not UTF-8"
        case _:
            return str(error)
