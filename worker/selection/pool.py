"""The numbers available to a project, indexed so that a choice costs the same over 5 and over 20,000."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple, cast
from weakref import WeakValueDictionary

from schemas.events import PassReason
from worker.selection import uses
from worker.selection.regions import Location, locate

Draw = Callable[[int], int]
"""Gives a number from 0 to its argument - 1; see `chance.draw`."""


class _Regions(NamedTuple):
    by_area: defaultdict[str, list[str]]
    by_place: defaultdict[str, list[str]]
    by_country: defaultdict[str, list[str]]


class Pool:
    """A set of E.164 numbers, and to be asked for such only. In ascending order: every replica counts them alike."""

    def __init__(self, numbers: Sequence[str]) -> None:
        """Take the numbers in that order, each once; see `pool_of`."""
        self.numbers = numbers
        self._rank = {int(number): rank for rank, number in enumerate(self.numbers)}
        """Of the digits of each number."""
        self._digits = frozenset(self._rank)

    def __contains__(self, number: str) -> bool:
        return int(number) in self._digits

    def __len__(self) -> int:
        return len(self.numbers)

    def at_random(self, draw: Draw) -> str:
        """Any of the numbers, each as likely. The pool must not be empty."""
        return self.numbers[draw(len(self.numbers))]

    def unused(self, used: bytes, draw: Draw) -> str | None:
        """Any of the numbers that are not among the used ones, packed as in `uses`; `None` when all are.

        The draw counts the unused numbers only, and the ranks of the used ones shift it past them: what is
        paid for is the contact's history, not the pool.
        """
        numbers = uses.numbers(used)
        if len(numbers) == len(self.numbers) and self._digits.issuperset(numbers):
            return None  # as the ranks would tell too, in twice the time: after hundreds of calls it is so of each
        ranks = list(map(self._rank.get, numbers))
        taken = [rank for rank in ranks if rank is not None] if None in ranks else cast("list[int]", ranks)
        if len(taken) == len(self.numbers):
            return None
        taken.sort()
        rank = draw(len(self.numbers) - len(taken))
        for each in taken:
            if each > rank:
                break
            rank += 1
        return self.numbers[rank]

    def used_longest_ago(self, used: bytes, previous: str | None) -> str | None:
        """The number with the oldest use; the one of the previous call only if there is no other.

        Of the used ones, packed as in `uses`: `None` when none of them is among the numbers.
        """
        for digits, _ in uses.oldest_first(used):  # mostly the first of hundreds is it
            rank = self._rank.get(digits)
            if rank is not None and self.numbers[rank] != previous:
                return self.numbers[rank]
        return previous if previous is not None and previous in self else None

    def tiers(self, location: Location) -> Iterator[tuple[Sequence[str], PassReason]]:
        """The numbers near a location, closest tier first, each with what it means when there are none."""
        regions = self._regions
        yield regions.by_area.get(location.area or "", ()), "no_number_in_area"
        yield regions.by_place.get(location.place or "", ()), "no_number_in_place"
        yield regions.by_country.get(location.country, ()), "no_number_in_country"

    def compile_regions(self) -> None:
        """Find out where each number is at home, which takes up to 0.1 ms a number; else the first call does it."""
        _ = self._regions

    @cached_property
    def _regions(self) -> _Regions:
        regions = _Regions(defaultdict(list), defaultdict(list), defaultdict(list))
        for number in self.numbers:
            location = locate(number)
            for index, key in zip(regions, (location.area, location.place, location.country), strict=True):
                if key:
                    index[key].append(number)
        return regions


def pool_of(numbers: Iterable[str]) -> Pool:
    """The pool of the numbers, the same one for all who have the same: 150 bytes a number, 200 more with regions."""
    ascending = tuple(sorted(set(numbers)))
    pool = _pools.get(ascending)
    if pool is None:
        pool = _pools[ascending] = Pool(ascending)
    return pool


_pools: Final[WeakValueDictionary[Sequence[str], Pool]] = WeakValueDictionary()
"""By their numbers, as long as anyone has them."""
