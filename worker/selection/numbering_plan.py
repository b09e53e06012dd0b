"""Which of a number's leading digits decide where it is at home, by its numbering plan.

Of +1 212 555 0123 those are the area code and one digit more. It is read off the patterns of libphonenumber's
metadata: a number goes through all that it is held against at once, and when none of them has a digit ahead that may
not be any digit, all is decided but for the length. A plan is read when a number first wants it, in 0.2 to 6 ms, and
kept: 0.5 MB for +1, 0.6 MB for +54, most under 0.1 MB, 5 MB for all.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import product
from typing import Final, NamedTuple, NoReturn

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    REGION_CODE_FOR_NON_GEO_ENTITY,
    PhoneMetadata,
    __version__,
    country_mobile_token,
)

NORTH_AMERICA: Final = "1"
"""The country code of a whole continent."""
MAX_CALLING_CODE_DIGITS: Final = 3


class Position(NamedTuple):
    """A position in a pattern, for the digit that comes next."""

    digits: frozenset[str]
    """Those that the pattern takes there."""
    then: "Positions"
    """The positions after it."""


Positions = frozenset[Position]
"""All positions that a number may have come to, without those after which no digit decides. None: it is decided."""

_Part = Callable[[Positions], Positions]
"""Part of a pattern: from the positions after it, it gives those before it."""

DECIDED: Final[Positions] = frozenset()
_END: Final[Positions] = frozenset({Position(frozenset(), DECIDED)})
"""The end of a pattern, where that is to be told from a digit that it does not take."""

_ANY_DIGIT: Final = frozenset("0123456789")
_TOKEN: Final = re.compile(r"\\d|[0-9]|\[[0-9-]+\]|\((?:\?[:=!])?|[)|?]|\{[0-9]+(?:,[0-9]+)?\}")
_FROM_TO: Final = re.compile("([0-9])-([0-9])")
_KINDS: Final = (
    *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)
_AREA_CODE: Final = r"(\d{3})"


def calling_code_of(number: str) -> str | None:
    """The country code of an E.164 number; `None` if none in service begins it."""
    for end in range(2, min(len(number), len("+") + MAX_CALLING_CODE_DIGITS) + 1):
        if int(number[1:end]) in COUNTRY_CODE_TO_REGION_CODE:
            return number[1:end]
    return None


@cache
def after_calling_code(calling_code: str) -> Positions:
    """The positions before the first digit of a number in the country code, which must be in service."""
    countries = COUNTRY_CODE_TO_REGION_CODE[int(calling_code)]
    if countries[0] == REGION_CODE_FOR_NON_GEO_ENTITY:
        return DECIDED
    kinds = map(positions, set(patterns_of_kinds(calling_code)))  # those of +1 share most of theirs
    if calling_code == NORTH_AMERICA:
        # The area code is told without a look at the groups of digits.
        return positions(_AREA_CODE, groups=1).union(*kinds)
    # The area code is the first group of digits.
    start = _grouped(calling_code, 1).union(*kinds)
    token = country_mobile_token(int(calling_code))
    if not token:
        return start
    # An Argentine mobile has its area code in both groups, and is looked at with its 9 and without it.
    mobiles = (_Parser(pattern).parse()(_END) for pattern in patterns_of_kinds(calling_code, ("mobile",)))
    start = start.union(*(_both(mobile, _grouped(calling_code, 2)) for mobile in mobiles))
    return start | {Position(frozenset(token), start)}


def step(before: Positions, digit: str) -> Positions:
    """The positions after the digit."""
    return DECIDED.union(*(then for digits, then in before if digit in digits)) or DECIDED  # one for all, not a new one


def patterns_of_kinds(calling_code: str, kinds: Iterable[str] = _KINDS) -> Iterator[str]:
    """All patterns that tell a number's country and the kind of line."""
    for metadata in _metadata(calling_code):
        for description in (getattr(metadata, kind) for kind in kinds):
            if description is not None and description.national_number_pattern:
                yield description.national_number_pattern
        if metadata.leading_digits:
            yield metadata.leading_digits


def formats_of(calling_code: str) -> Iterator[tuple[str, str]]:
    """All patterns that part a number into groups, as written abroad, each with that of the numbers it is meant for."""
    for metadata in _metadata(calling_code):
        for number_format in metadata.intl_number_format or metadata.number_format:
            yield number_format.pattern or "", "".join(number_format.leading_digits_pattern[-1:])


def positions(pattern: str, groups: int = 0) -> Positions:
    """The positions before the first digit. In so many of the groups that it captures, all digits decide."""
    return _Parser(pattern, groups).parse()(DECIDED)


def _grouped(calling_code: str, groups: int) -> Positions:
    """The positions in all formats, for numbers of which so many groups may be the area code."""
    return DECIDED.union(
        *(
            # What makes one group has no area code.
            _both(_Parser(leading).parse()(_END), positions(pattern, groups if pattern.count("(") > 1 else 0))
            | positions(leading)
            for pattern, leading in set(formats_of(calling_code))
        )
    )


def _both(leading: Positions, grouped: Positions) -> Positions:
    """The positions in a pattern, as far as the leading digits are those that it is meant for."""
    pairs = ((_common(one.digits, other.digits), one.then, other.then) for one, other in product(leading, grouped))
    both = frozenset(Position(digits, _both(one, other)) for digits, one, other in pairs if digits)
    return both | grouped if leading >= _END else both


@cache
def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return one & other


def _metadata(calling_code: str) -> Iterator[PhoneMetadata]:
    for country in COUNTRY_CODE_TO_REGION_CODE[int(calling_code)]:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(calling_code), country)
        if metadata is not None:
            yield metadata


class _Parser:
    """Reads what the metadata use of regular expressions, and refuses all else."""

    def __init__(self, pattern: str, groups: int = 0) -> None:
        self._pattern = pattern
        self._groups = groups
        self._captured = 0
        self._rest = self._read()
        self._next = next(self._rest)

    def parse(self) -> _Part:
        whole = self._alternatives(decides=False)
        if self._next:
            self._refuse()
        return whole

    def _read(self) -> Iterator[str]:
        end = 0
        while end < len(self._pattern):
            token = _TOKEN.match(self._pattern, end)
            if token is None:
                self._refuse()
            yield token[0]
            end = token.end()
        yield ""

    def _take(self) -> str:
        token, self._next = self._next, next(self._rest, "")
        return token

    def _alternatives(self, *, decides: bool) -> _Part:
        parts = [self._sequence(decides=decides)]
        while self._next == "|":
            self._take()
            parts.append(self._sequence(decides=decides))
        return parts[0] if len(parts) == 1 else lambda after: DECIDED.union(*(part(after) for part in parts))

    def _sequence(self, *, decides: bool) -> _Part:
        parts: list[_Part] = []
        while self._next not in ("", "|", ")"):
            parts.append(self._repeated(self._one(decides=decides)))

        def sequence(after: Positions) -> Positions:
            for part in reversed(parts):
                after = part(after)
            return after

        return sequence

    def _one(self, *, decides: bool) -> _Part:
        item = self._take()
        if item.startswith("("):
            return self._group(item, decides=decides)
        digits = _digits(item)
        if not digits or not digits <= _ANY_DIGIT:
            self._refuse()
        decides = decides or digits != _ANY_DIGIT
        return lambda after: frozenset({Position(digits, after)}) if decides or after else DECIDED

    def _group(self, opening: str, *, decides: bool) -> _Part:
        if opening == "(":
            self._captured += 1
            decides = decides or self._captured <= self._groups
        inside = self._alternatives(decides=decides)
        if self._take() != ")":
            self._refuse()
        # What is only looked ahead at decides beside what follows.
        return inside if opening in ("(", "(?:") else lambda after: inside(DECIDED) | after

    def _repeated(self, part: _Part) -> _Part:
        if not self._next.startswith(("{", "?")):
            return part
        least, most = _bounds(self._take())

        def repeated(after: Positions) -> Positions:
            before = after
            for _ in range(most - least):
                before = part(before) | after
            for _ in range(least):
                before = part(before)
            return before

        return repeated

    def _refuse(self) -> NoReturn:
        raise ImportError(
            f"the metadata of phonenumbers {__version__} have a pattern that is not understood: {self._pattern}. "
            "Install the version that requirements.lock names."
        )


@cache
def _digits(item: str) -> frozenset[str]:
    """The digits that are meant. Cached, so that patterns share them: that halves what a plan takes."""
    members = item.replace(r"\d", "0-9").strip("[]")
    return frozenset(_FROM_TO.sub(lambda ends: "".join(map(str, range(int(ends[1]), int(ends[2]) + 1))), members))


def _bounds(repetition: str) -> tuple[int, int]:
    least, _, most = repetition.replace("?", "0,1").strip("{}").partition(",")
    return int(least), int(most or least)
