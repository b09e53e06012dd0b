"""The four kinds of settings records and their sections in a file, in the order of both."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord


class Section(NamedTuple):
    """A section of the settings file, and the records that it lists."""

    name: str
    kind: str  # the `type` of its records, and the first part of their keys
    id_field: str
    model: type[SettingsRecord]

    def id_of(self, record: SettingsRecord) -> str:
        """What tells this record from the others of its section."""
        return str(getattr(record, self.id_field))


SECTIONS: Final = (
    Section("numbers", "number", "number", NumberSettings),
    Section("projects", "project", "project_id", ProjectSettings),
    Section("agents", "agent", "agent_id", AgentSettings),
    Section("outcomes", "outcome", "outcome", OutcomeSettings),
)
"""Each section names only things of those before it."""

SECTION_OF: Final = {section.kind: section for section in SECTIONS}

_RANK: Final = {section.kind: rank for rank, section in enumerate(SECTIONS)}


def in_order(records: Iterable[SettingsRecord]) -> list[SettingsRecord]:
    """The records by section, and by id within one."""
    return sorted(records, key=lambda record: (_RANK[record.type], record.key))
