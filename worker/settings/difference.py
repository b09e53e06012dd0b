"""What applying wanted settings would change, to be shown to a person and then written."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from schemas.settings import SettingsRecord
from worker.settings.problem import shown
from worker.settings.sections import SECTION_OF, in_order


@dataclass(frozen=True, slots=True)
class Change:
    """A record whose settings differ; both have the same key."""

    before: SettingsRecord
    after: SettingsRecord

    def lines(self) -> Iterator[str]:
        """Each setting that differs, in words; of lists and mappings, the elements that do."""
        before, after = dict(self.before), dict(self.after)
        for name, old in before.items():
            new = after[name]
            if old == new:
                continue
            if isinstance(old, tuple):
                yield from _list_lines(name, old, new)
            elif isinstance(old, dict):
                names = sorted(old.keys() | new.keys())
                yield from (
                    f"{name}[{shown(each)}] {_value(old.get(each))} -> {_value(new.get(each))}"
                    for each in names
                    if old.get(each) != new.get(each)
                )
            else:
                yield f"{name} {_value(old)} -> {_value(new)}"


@dataclass(frozen=True, slots=True)
class Difference:
    """The records to be added, changed and removed, each by section and id."""

    added: tuple[SettingsRecord, ...]
    changed: tuple[Change, ...]
    removed: tuple[SettingsRecord, ...]
    rewritten: tuple[tuple[str, SettingsRecord | None], ...] = ()
    """Keys under which a record that does not fit stands last, and what is to stand there: nothing for `None`."""

    @property
    def is_empty(self) -> bool:
        """Whether the settings in force are the wanted ones."""
        return not (self.added or self.changed or self.removed or self.rewritten)

    def lines(self) -> list[str]:
        """The difference as a person reads it: `+` added, `~` changed, a line for each setting, `-` removed."""
        return [
            *(f"+ {_title(record)}{_details(record)}" for record in self.added),
            *(f"~ {_title(change.after)}: {line}" for change in self.changed for line in change.lines()),
            *(f"- {_title(record)}" for record in self.removed),
            *(f"! {shown(key)} written anew: its newest record does not fit" for key, _ in self.rewritten),
        ]

    def writes(self) -> list[tuple[str, bytes | None]]:
        """The topic's records to be written, in order: key and value, `None` to delete.

        A reader between two of them sees no name of something that is not there yet, or not there any more, as far
        as an order can do that: what others name comes first and goes last.
        """
        put = in_order([*self.added, *(change.after for change in self.changed)])
        return [
            *((record.key, _json(record)) for record in put),
            *((record.key, None) for record in reversed(self.removed)),
            *((key, None if record is None else _json(record)) for key, record in self.rewritten),
        ]


def difference(
    in_force: Iterable[SettingsRecord], wanted: Iterable[SettingsRecord], shadowed: Collection[str] = ()
) -> Difference:
    """Compare records by their keys. What is `shadowed` (see `Fold`) is written even if it does not differ."""
    old = {record.key: record for record in in_force}
    new = {record.key: record for record in wanted}
    kept = in_order(new[key] for key in old.keys() & new.keys())
    written = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return Difference(
        added=tuple(in_order(new[key] for key in new.keys() - old.keys())),
        changed=tuple(Change(old[record.key], record) for record in kept if old[record.key] != record),
        removed=tuple(in_order(old[key] for key in old.keys() - new.keys())),
        rewritten=tuple((key, new.get(key)) for key in sorted(set(shadowed) - written)),
    )


def _json(record: SettingsRecord) -> bytes:
    # Sorted, so that equal records are the same bytes whatever the order of their outcomes in the file.
    return json.dumps(record.model_dump(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _title(record: SettingsRecord) -> str:
    section = SECTION_OF[record.type]
    return f"{section.kind} {_value(section.id_of(record))}"


def _details(record: SettingsRecord) -> str:
    """What the record says beyond the defaults, in brackets."""
    section = SECTION_OF[record.type]
    details = [
        f"{name} {_value(value)}"
        for name, value in record.model_dump(exclude_defaults=True).items()
        if name != section.id_field
    ]
    return f" ({', '.join(details)})" if details else ""


def _list_lines(name: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    added, removed = Counter(new) - Counter(old), Counter(old) - Counter(new)
    if added:
        yield f"{name} added: {', '.join(added.elements())}"
    if removed:
        yield f"{name} removed: {', '.join(removed.elements())}"
    if not (added or removed):
        yield f"{name} in another order"


def _value(value: object) -> str:
    match value:
        case None:
            return "none"
        case str() if value.isprintable() and value.strip() == value != "":
            return value
        case list() | tuple():
            return f"{len(value)} listed"
        case dict():
            return ", ".join(f"{_value(name)}: {_value(each)}" for name, each in value.items())
        case _:
            return shown(value)
