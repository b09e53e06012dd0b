"""What pydantic finds in a settings record, in the words of the person who wrote it."""

import re
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from worker.settings.problem import Fault, Loc, did_you_mean, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_NUMBER_FIELDS: Final = frozenset({"number", "next_number", "numbers", "outcomes"})
_YES: Final = frozenset({"yes", "y", "on", "1", "true", "t"})
_NO: Final = frozenset({"no", "n", "off", "0", "false", "f"})


def faults_of(error: ValidationError, loc: Loc) -> list[Fault]:
    """The faults of one record that stands at `loc`."""
    # Pydantic tells of a first number once for each thing that it may be; one of them has the words.
    details = (each for each in error.errors(include_url=False) if each["loc"][-1] != "constrained-str")
    return [_fault(each, loc) for each in details]


def number_mend(value: object) -> str:
    """How to write what was meant as a number, in E.164."""
    digits = re.sub(r"[\s()./-]", "", value) if isinstance(value, str) else ""
    for candidate in (digits, re.sub(r"^00", "+", digits), f"+{digits}"):
        if _E164.fullmatch(candidate):
            return f'write "{candidate}" if that is the number'
    return "write + and 2 to 15 digits, the country code first, without spaces"


def _fault(details: "ErrorDetails", loc: Loc) -> Fault:
    path = details["loc"]
    if details["type"] == "missing":
        return Fault(loc, f"{path[-1]} is missing", f"add {path[-1]}: …")
    what, mend = _words(details)
    if path[0] == "number_for_first_call":
        return Fault((*loc, path[0]), what, mend)
    if path[-1] == "[key]" and len(path) == len(("outcomes", "busy", "[key]")):
        return Fault((*loc, *path[:-1]), what, mend, at_name=True)
    return Fault((*loc, *path), what, mend)


def _words(details: "ErrorDetails") -> tuple[str, str]:
    value = details["input"]
    match details["type"]:
        case "string_pattern_mismatch":
            what, mend = f"{shown(value)} is not a number in E.164", number_mend(value)
        case "literal_error":
            what, mend = _choice_words(value, re.findall("'([^']*)'", details["ctx"]["expected"]), details["loc"][0])
        case "bool_type":
            what, mend = f"{shown(value)} is neither true nor false", _flag_mend(value)
        case "string_type" if details["loc"][0] in _NUMBER_FIELDS:
            what, mend = f"{shown(value)} is not a number in E.164", number_mend(value)
        case "string_type":
            what, mend = f"{shown(value)} stands where text belongs", _text_mend(value)
        case "string_too_short":
            what, mend = "this is empty", "write at least one character, or leave the field out if it is not needed"
        case "string_too_long":
            what, mend = f"{shown(value)} has {len(value)} characters", f"write at most {details['ctx']['max_length']}"
        case "tuple_type":
            what, mend = f"{shown(value)} is not a list", "write [ ] around it, or a line with - before each item"
        case "dict_type":
            what, mend = f"{shown(value)} is not a mapping", "write pairs of a name and a number: {busy: …}"
        case _:
            what, mend = f"{shown(value)} does not fit: {details['msg']}", "correct the value"
    return what, mend


def _choice_words(value: object, choices: list[str], field: str | int) -> tuple[str, str]:
    names = ", ".join(choices)
    if field == "number_for_first_call":
        what = f"{shown(value)} is none of {names} or a number in E.164"
        mend = number_mend(value)
    else:
        what = f"{shown(value)} is none of {names}"
        mend = "write one of them"
    return what, did_you_mean(value, choices, mend) if isinstance(value, str) else mend


def _flag_mend(value: object) -> str:
    word = value.lower() if isinstance(value, str) else ""
    if word in _YES:
        return "write true, without quotes"
    return "write false, without quotes" if word in _NO else "write true or false"


def _text_mend(value: object) -> str:
    if value is None or isinstance(value, bool):
        return f'write "{shown(value)}" in quotes if you mean the word, or leave the field out if it is not needed'
    return "write a single value"
