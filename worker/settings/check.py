"""Whether settings that fit one by one fit together."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.settings.problem import Fault, Loc, shown
from worker.settings.sections import SECTION_OF


class Entry(NamedTuple):
    """A record and its place in the file."""

    loc: Loc
    record: SettingsRecord


def check(entries: Iterable[Entry], also_listed: Iterable[str] = ()) -> list[Fault]:
    """What does not fit together.

    `also_listed` are numbers of the inventory whose own records do not fit: not to be missed on top of that.
    """
    entries = list(entries)
    inventory = {entry.record.number for entry in entries if isinstance(entry.record, NumberSettings)}
    inventory.update(also_listed)
    faults = list(_doubles(entries))
    for loc, record in entries:
        match record:
            case ProjectSettings():
                faults += _check_project(loc, record, inventory)
            case AgentSettings(number=str() as number) if number not in inventory:
                faults.append(_not_in_inventory((*loc, "number"), number, inventory))
            case OutcomeSettings(next_number=str() as number) if number not in inventory:
                faults.append(_not_in_inventory((*loc, "next_number"), number, inventory))
    return faults


def near(number: str, known: Collection[str]) -> str | None:
    """A known number that differs by one digit wrong, missing, too many or swapped with its neighbour.

    Costs the length of the number, not the size of the inventory.
    """
    for at in range(1, len(number) + 1):
        before, after = number[:at], number[at:]
        edits = [before[:-1] + after, before[:-1] + after[:1] + before[-1:] + after[1:]]
        edits += [before + digit + after for digit in "0123456789"]
        edits += [before[:-1] + digit + after for digit in "0123456789"]
        for edit in edits:
            if edit != number and edit in known:
                return edit
    return None


def _doubles(entries: Iterable[Entry]) -> Iterator[Fault]:
    first: dict[str, Loc] = {}
    for loc, record in entries:
        section = SECTION_OF[record.type]
        id_loc = (*loc, section.id_field)
        if record.key in first:
            what = f"{section.kind} {shown(section.id_of(record))} is here twice"
            yield Fault(id_loc, what, "remove one of them", first=first[record.key])
        first.setdefault(record.key, id_loc)


def _check_project(loc: Loc, project: ProjectSettings, inventory: Collection[str]) -> Iterator[Fault]:
    first: dict[str, Loc] = {}
    for place, number in enumerate(project.numbers):
        at = (*loc, "numbers", place)
        if number in first:
            what = f'"{number}" is in the list twice'
            yield Fault(at, what, "remove one of them", first=first[number])
        elif number not in inventory:
            yield _not_in_inventory(at, number, inventory)
        first.setdefault(number, at)
    named: list[tuple[Loc, str]] = [
        ((*loc, "outcomes", outcome), number) for outcome, number in project.outcomes.items()
    ]
    if project.number_for_first_call not in ("random", "regionally_random"):
        named.append(((*loc, "number_for_first_call"), project.number_for_first_call))
    for at, number in named:
        if number not in first:
            what = f'"{number}" is not in the numbers of project {shown(project.project_id)}'
            yield Fault(at, what, _mend(number, first, "add it to them, or name one of them"))


def _not_in_inventory(loc: Loc, number: str, inventory: Collection[str]) -> Fault:
    mend = _mend(number, inventory, "add it to the section numbers, or remove it here")
    return Fault(loc, f'the inventory has no number "{number}"', mend)


def _mend(number: str, known: Collection[str], otherwise: str) -> str:
    close = near(number, known)
    return f'did you mean "{close}"?' if close else otherwise
