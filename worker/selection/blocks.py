"""Blocks of numbers that are alike, so that what is worked out for one is known of all.

They are as large as the plans allow: the contacts of a call centre, few or many, are in the same few hundred. 200,000
phones of eight areas and four ranges of mobiles make 981 blocks with those around them, a million phones all over the
world 84,000. A block takes half a kB.
"""

from typing import Generic, TypeVar

from phonenumbers import country_mobile_token

from worker.selection.geodata import DESCRIPTIONS
from worker.selection.numbering_plan import (
    DECIDED,
    MAX_CALLING_CODE_DIGITS,
    NORTH_AMERICA,
    Positions,
    after_calling_code,
    calling_code_of,
    step,
)

T = TypeVar("T")


class _Block(Generic[T]):
    """All numbers with the same leading digits. While those do not decide, there are blocks within it."""

    __slots__ = ("known", "longer", "positions")

    def __init__(self, positions: Positions, longer: "dict[str, _Block[T]] | None") -> None:
        self.positions = positions
        self.longer = longer
        """The blocks within it, by the digit that follows; `None` when no digit decides any more."""
        self.known: dict[int, T] = {}


class Blocks(Generic[T]):
    """What is known of each block, by the length of a number.

    All is let go when there are too many, so that memory is bounded whatever the phones are.
    """

    def __init__(self, most: int) -> None:
        """Keep so many blocks at most."""
        self._most = most
        self._count = 0
        self._root: _Block[T] = _Block(DECIDED, {})

    def known_of(self, number: str) -> dict[int, T]:
        """What is known of the smallest block that the E.164 number is in. New things may be put there."""
        block = self._root
        for digit in number:
            if block.longer is None:
                break
            within = block.longer.get(digit)
            if within is None:
                return self._grown_to(number).known
            block = within
        return block.known

    def _grown_to(self, number: str) -> _Block[T]:
        if self._count >= self._most:
            self.clear()
        block = self._root
        for end, digit in enumerate(number, 1):
            if block.longer is None:
                break
            if digit not in block.longer:
                block.longer[digit] = _within(block, number[:end])
                self._count += 1
            block = block.longer[digit]
        return block

    def clear(self) -> None:
        """Let all go."""
        self._root = _Block(DECIDED, {})
        self._count = 0

    def __len__(self) -> int:
        return self._count


def _within(around: _Block[T], digits: str) -> _Block[T]:
    calling_code = calling_code_of(digits)
    if calling_code is None:
        return _Block(DECIDED, {} if len(digits) < len("+") + MAX_CALLING_CODE_DIGITS else None)
    within = len(digits) > len("+") + len(calling_code)
    positions = step(around.positions, digits[-1]) if within else after_calling_code(calling_code)
    return _Block(positions, {} if positions or _described_beyond(calling_code, digits) else None)


def _described_beyond(calling_code: str, digits: str) -> bool:
    """Whether a number's place may hang on more digits than these."""
    if calling_code == NORTH_AMERICA:
        return False  # area codes only are looked up there, and those are among the positions
    international = digits[len("+") :]
    token = calling_code + (country_mobile_token(int(calling_code)) or "none")
    without_token = calling_code + international.removeprefix(token)
    return DESCRIPTIONS.any_beyond(international) or (
        international.startswith(token) and DESCRIPTIONS.any_beyond(without_token)
    )
