"""Settings as the YAML text of a file that `load` reads back to the same records."""

from collections.abc import Iterable, Mapping
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from schemas.settings import ProjectSettings, SettingsRecord
from worker.settings.sections import SECTIONS, in_order

_NUMBER_FIELDS: Final = frozenset({"number", "next_number"})
_NO_WRAP: Final = 1_000_000_000
"""Characters in a line before the emitter folds it. A folded number or id is hard to search for."""


def export_yaml(records: Iterable[SettingsRecord]) -> str:
    """The text of the file: its sections in order, in each the records by id, numbers always in quotes."""
    records = in_order(records)
    return "\n".join(
        _text({section.name: _list([_row(record) for record in records if record.type == section.kind])})
        for section in SECTIONS
    )


def _row(record: SettingsRecord) -> Node:
    if isinstance(record, ProjectSettings):  # every setting of it, for the file is where people look them up
        return _mapping(
            {
                "project_id": _words(record.project_id),
                "name": _words(record.name),
                "numbers": _list([_quoted(number) for number in record.numbers]),
                "number_for_first_call": _number_or_words(record.number_for_first_call),
                "keep_previous_number": _flag(record.keep_previous_number),
                "selection_logic": _words(record.selection_logic),
                "agent_numbers": _words(record.agent_numbers),
                "outcomes": _mapping({name: _quoted(number) for name, number in sorted(record.outcomes.items())}),
                "when_no_number": _words(record.when_no_number),
            }
        )
    fields = record.model_dump(exclude_defaults=True)
    return _mapping({name: _scalar(name, value) for name, value in fields.items()}, in_one_line=True)


def _scalar(name: str, value: str | bool) -> Node:  # noqa: FBT001 # a value, not a switch
    if isinstance(value, bool):
        return _flag(value)
    return _quoted(value) if name in _NUMBER_FIELDS else _words(value)


def _number_or_words(value: str) -> Node:
    return _quoted(value) if value.startswith("+") else _words(value)


def _words(text: str) -> Node:
    # Plain where any reader of YAML takes it for text (the emitter sees to that: "no" and "2024" get quotes); double
    # quotes where characters must be escaped.
    return ScalarNode(_STR, text, style=None if text.isprintable() else '"')


def _quoted(number: str) -> Node:
    return ScalarNode(_STR, number, style='"')


def _flag(value: bool) -> Node:  # noqa: FBT001 # a value, not a switch
    return ScalarNode("tag:yaml.org,2002:bool", "true" if value else "false")


def _list(items: list[Node]) -> Node:
    return SequenceNode("tag:yaml.org,2002:seq", items, flow_style=not items)


def _mapping(fields: Mapping[str, Node], *, in_one_line: bool = False) -> Node:
    entries = [(_words(name), value) for name, value in fields.items()]
    return MappingNode("tag:yaml.org,2002:map", entries, flow_style=in_one_line or not entries)


def _text(fields: Mapping[str, Node]) -> str:
    return str(yaml.serialize(_mapping(fields), Dumper=yaml.CSafeDumper, allow_unicode=True, width=_NO_WRAP))


_STR: Final = "tag:yaml.org,2002:str"
