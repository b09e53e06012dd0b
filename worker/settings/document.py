"""A YAML document as plain data, each value of which still knows its line and column.

YAML with less in it: plain words are text, but for null, true and false, so that `+358912345678`, `2024`, `no` and
`1.0` are what they look like. Anchors, aliases and merge keys are there; tags of Python or anyone else are not.
"""

import codecs
from typing import Any, Final, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from worker.settings.problem import Fault, Loc, Problem, path_of, shown

MAX_NODES: Final = 2_000_000
"""Values that a document may hold, as written and again with its aliases followed: a hundred projects of 20,000
numbers. What holds more is a bomb of aliases, or not a settings file."""

MAX_DEPTH: Final = 20
"""Values within values. The settings need five; the rest is for anchors kept aside."""

_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_TEXT: Final = "tag:yaml.org,2002:str"
_LIST: Final = "tag:yaml.org,2002:seq"
_MAPPING: Final = "tag:yaml.org,2002:map"
_MERGE: Final = "tag:yaml.org,2002:merge"

_WORDS: Final[dict[str, tuple[str, bool | None]]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (_NULL, None)),
    **dict.fromkeys(("true", "True", "TRUE"), (_BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (_BOOL, False)),
}

_Entries = dict[str, tuple[Node, Node]]
"""Of a mapping: the node of the name and the node of the value, by name."""


class NotYamlError(Exception):
    """The text is not a YAML document that can be read. `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)


class Document:
    """`data` is made of dictionaries with text keys, lists, text, booleans and None.

    What could be read but must not be (a name twice, a tag) is in `problems`.
    """

    def __init__(self, root: Node | None) -> None:
        self._root = root
        self._entries: dict[int, _Entries] = {}  # by the identity of the mapping's node
        self._nodes = 0
        self._problems: dict[tuple[int, int, str], Problem] = {}  # an alias would say them again
        self.data = None if root is None else self._value(root, ())

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the document itself, whatever it is meant to say."""
        return list(self._problems.values())

    def problem(self, fault: Fault) -> Problem:
        """The fault with its line and column: those of the nearest value around it that the file has."""
        what = fault.what
        if fault.first is not None:
            what += f", first in line {self._node_at(fault.first)[1].start_mark.line + 1}"
        name, value = self._node_at(fault.loc)
        return _problem_at(name if fault.at_name else value, fault.loc, what, fault.mend)

    def _node_at(self, loc: Loc) -> tuple[Node, Node]:
        if self._root is None:
            raise LookupError("an empty document has no places")
        name = node = self._root
        for part in loc:
            if isinstance(node, SequenceNode) and isinstance(part, int):
                name = node = node.value[part]
            elif isinstance(part, str) and part in (entries := self._entries.get(id(node), {})):
                name, node = entries[part]
            else:
                break
        return name, node

    def _add(self, node: Node, loc: Loc, what: str, mend: str) -> None:
        problem = _problem_at(node, loc, what, mend)
        self._problems.setdefault((problem.line, problem.column, what), problem)

    def _count(self, node: Node, loc: Loc, more: int) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            _refuse_size(node, loc)

    def _value(self, node: Node, loc: Loc) -> object:
        self._count(node, loc, 1)
        if len(loc) > MAX_DEPTH:
            _refuse_depth(node, loc)
        if node.tag == _MAPPING and isinstance(node, MappingNode):
            entries = self._entries_of(node, loc)
            return {name: self._value(value, (*loc, name)) for name, (_, value) in entries.items()}
        if node.tag == _LIST and isinstance(node, SequenceNode):
            return [self._value(item, (*loc, place)) for place, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            if node.tag in (_TEXT, _MERGE):
                return node.value
            tag, value = _WORDS.get(node.value, (None, None))
            if tag == node.tag:
                return value
        self._add(node, loc, f"the tag {shown(node.tag)} has no meaning here", "leave the tag out")
        return None

    def _entries_of(self, node: MappingNode, loc: Loc, merges: int = 0) -> _Entries:
        if merges > MAX_DEPTH:
            _refuse_depth(node, loc)
        known = self._entries.get(id(node))
        if known is not None:
            return known
        entries: _Entries = {}
        merged: _Entries = {}
        for name, value in node.value:
            if name.tag == _MERGE:
                for entry in self._merged(value, loc, merges).items():
                    merged.setdefault(*entry)
            elif not isinstance(name, ScalarNode):
                self._add(name, loc, "a list or a mapping stands where a name belongs", "write a name, then a colon")
            elif name.value in entries:
                line = entries[name.value][0].start_mark.line + 1
                what = f"{shown(name.value)} is given twice, first in line {line}"
                self._add(name, (*loc, name.value), what, "keep one of them")
            else:
                entries[name.value] = (name, value)
        self._entries[id(node)] = {**merged, **entries}
        return self._entries[id(node)]

    def _merged(self, node: Node, loc: Loc, merges: int) -> _Entries:
        """What `<<` brings in: a mapping, or a list of mappings of which the earlier win."""
        entries: _Entries = {}
        for each in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(each, MappingNode):
                self._add(each, loc, "<< brings in something that is not a mapping", "give it the alias of a mapping")
                continue
            brought = self._entries_of(each, loc, merges + 1)
            self._count(each, loc, len(brought))
            for entry in brought.items():
                entries.setdefault(*entry)
        return entries


def read_document(content: bytes) -> Document:
    """Read one YAML document. Raises `NotYamlError`."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return Document(_Composer(content.decode()).get_single_node())
    except UnicodeDecodeError as error:
        line, column = _place_of_byte(content, error.start)
        raise NotYamlError(Problem(line, column, "", "this is not UTF-8", "save the file as UTF-8")) from None
    except yaml.reader.ReaderError as error:
        line, column = _place_of_byte(content, error.position)
        what = f"the character U+{int(error.character):04X} is not allowed"
        raise NotYamlError(Problem(line, column, "", what, "remove it, or escape it in double quotes")) from None
    except yaml.MarkedYAMLError as error:
        raise NotYamlError(_syntax_problem(content, error)) from None


class _Composer(yaml.CSafeLoader):
    """Composes nodes with the tags of this module, and not more of them than are allowed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:  # noqa: ANN401, ARG002 # as PyYAML has it
        """Count a node: called before each is made."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            _refuse_size(current_node, ())

    def resolve(self, kind: type[Node], value: str, implicit: Any) -> str:  # noqa: ANN401 # as PyYAML has it
        """The tag of a node that has none written."""
        if kind is not ScalarNode:
            return _MAPPING if kind is MappingNode else _LIST
        is_plain, _ = implicit
        if not is_plain:
            return _TEXT
        return _MERGE if value == "<<" else _WORDS.get(value, (_TEXT, None))[0]


def _refuse_size(node: Node, loc: Loc) -> NoReturn:
    what = f"the file holds more than {MAX_NODES:,} values"
    raise NotYamlError(_problem_at(node, loc, what, "list less, or use fewer aliases"))


def _refuse_depth(node: Node, loc: Loc) -> NoReturn:
    what = f"more than {MAX_DEPTH} values within one another"
    raise NotYamlError(_problem_at(node, loc[:1], what, "nest less; an alias must not be within its own anchor"))


def _problem_at(node: Node, loc: Loc, what: str, mend: str) -> Problem:
    return Problem(node.start_mark.line + 1, node.start_mark.column + 1, path_of(loc), what, mend)


def _place_of_byte(content: bytes, offset: int) -> tuple[int, int]:
    before = content[:offset]
    return before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode()) + 1


def _syntax_problem(content: bytes, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    written = content.decode().split("\n")[line : line + 1]
    what = ", ".join(part for part in (error.context, error.problem) if part)
    mend = "look at the indentation, quotes, brackets and colons here and in the line before"
    if written and "\t" in written[0][: len(written[0]) - len(written[0].lstrip())]:
        mend = "indent with spaces, not with tabs"
    return Problem(line + 1, column + 1, "", f"this is not YAML: {what}", mend)
