"""The numbers available to a project, indexed so that a choice costs the same over 5 and over 20,000."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from schemas.events import PassReason
from worker.selection.regions import Location, locate

Draw = Callable[[int], int]
"""Gives a number from 0 to its argument - 1; see `chance.draw`."""


class _Regions(NamedTuple):
    by_area: defaultdict[str, list[str]]
    by_place: defaultdict[str, list[str]]
    by_country: defaultdict[str, list[str]]


class Pool:
    """A set of E.164 numbers. In ascending order, so that every replica counts them alike."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self.numbers: Sequence[str] = tuple(sorted(set(numbers)))
        self._rank = {number: rank for rank, number in enumerate(self.numbers)}

    def __contains__(self, number: str) -> bool:
        return number in self._rank

    def __len__(self) -> int:
        return len(self.numbers)

    def at_random(self, draw: Draw) -> str:
        """Any of the numbers, each as likely. The pool must not be empty."""
        return self.numbers[draw(len(self.numbers))]

    def unused(self, used: Iterable[str], draw: Draw) -> str | None:
        """Any of the numbers that are not among the used ones; `None` when all are.

        The draw counts the unused numbers only, and the ranks of the used ones shift it past them: what is
        paid for is the contact's history, not the pool.
        """
        taken = sorted(rank for number in used if (rank := self._rank.get(number)) is not None)
        if len(taken) == len(self.numbers):
            return None
        rank = draw(len(self.numbers) - len(taken))
        for each in taken:
            if each > rank:
                break
            rank += 1
        return self.numbers[rank]

    def used_longest_ago(self, used_at_us: Mapping[str, int], previous: str | None) -> str:
        """The number with the oldest use; the one of the previous call only if there is no other."""
        others = [number for number in self.numbers if number != previous]
        return min(others or self.numbers, key=lambda number: (used_at_us.get(number, 0), number))

    def tiers(self, location: Location) -> Iterator[tuple[Sequence[str], PassReason]]:
        """The numbers near a location, closest tier first, each with what it means when there are none."""
        regions = self._regions
        yield regions.by_area.get(location.area or "", ()), "no_number_in_area"
        yield regions.by_place.get(location.place or "", ()), "no_number_in_place"
        yield regions.by_country.get(location.country, ()), "no_number_in_country"

    @cached_property
    def _regions(self) -> _Regions:
        regions = _Regions(defaultdict(list), defaultdict(list), defaultdict(list))
        for number in self.numbers:
            location = locate(number)
            for index, key in zip(regions, (location.area, location.place, location.country), strict=True):
                if key:
                    index[key].append(number)
        return regions
