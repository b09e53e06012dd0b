"""A replica's intake: a member of the group that hands out batches, in the order of the real lanes."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.simulation.kafka import INPUTS, PARTITIONS, Kafka
from tests.simulation.points import OutageError, Point, effect
from worker.stream.lane import Lane
from worker.stream.records import Assignment, SourceRecord, ends_of

_MAX_BATCH: Final = 4
_MAX_FETCH: Final = 3
_UNCOMMITTED_SHARE: Final = 0.1


class SimIntake:
    """Promises what `worker.stream.intake.Intake` promises, with the real `Lane` in it.

    Chance decides how much a fetch brings, and how long one who was expelled does not know it.
    """

    def __init__(self, name: str, kafka: Kafka, chance: Random) -> None:
        self.name = name
        self.in_hand: list[list[SourceRecord]] = []
        self.handed_out = 0
        """Batches so far."""
        self.offsets: dict[tuple[str, int], int] = {}
        """Done, and to be committed."""
        self.answers = True
        """Whether the group hears from this member."""
        self.fetches_unaware = 0
        """Fetches that an expelled member still makes as if nothing had happened."""
        self._kafka = kafka
        self._chance = chance
        self._generation = -1
        self._fetches = 0
        self._lanes: dict[int, Lane] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self.is_served = False
        """Whether what the group gave is taken over."""
        self.assignment: Assignment | None = None

    @property
    def holds_up(self) -> bool:
        return bool(self.in_hand) or not self.answers

    def revoked(self) -> None:
        """Commit what is done, unless the brokers do not answer just then."""
        offsets, self.offsets = self.offsets, {}
        if self._chance.random() > _UNCOMMITTED_SHARE:
            self._commit(offsets)

    def assigned(self, generation: int, indexes: Sequence[int]) -> None:
        self._generation = generation
        self.assignment, self.is_served = Assignment(frozenset(indexes), PARTITIONS), False
        self._lanes = {index: Lane(INPUTS) for index in indexes}
        committed = self._kafka.group.committed
        self._positions = {(topic, index): committed[topic, index] for topic in INPUTS for index in indexes}

    def serve(self, assignment: Assignment) -> None:
        if assignment is self.assignment:
            self.is_served = True

    def start_over(self) -> None:
        for topic, index in self._positions:
            in_hand = [record for batch in self.in_hand for record in batch]
            back = [record.offset for record in in_hand if (record.topic, record.partition) == (topic, index)]
            first = back[0] if back else self._lanes[index].first_offset(topic)
            if first is not None:
                self._positions[topic, index] = first
        if self.assignment is not None:
            self._lanes = {index: Lane(INPUTS) for index in self.assignment.indexes}
            self.assignment, self.is_served = Assignment(*self.assignment), False
        self.in_hand = []

    async def fetch(self) -> list[SourceRecord]:
        await Point("fetch")
        if not self._may_fetch():
            return []
        if batch := self._take():
            self.in_hand.append(batch)
            self.handed_out += 1
        return list(batch)

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        raise AssertionError(f"no limit is set on dead letters, and {len(batch)} records were given back")

    @property
    def uncommitted(self) -> bool:
        return bool(self.offsets)

    def done(self, batch: Sequence[SourceRecord]) -> None:
        assert list(batch) == self.in_hand.pop(0), "batches are done in the order in which they were handed out"
        self.offsets |= ends_of(batch)

    async def commit(self) -> None:
        offsets, self.offsets = self.offsets, {}
        words = ", ".join(f"{topic}/{index} to {offset}" for (topic, index), offset in offsets.items())
        try:
            await effect(f"commit {words}", lambda: self._commit(offsets))
        except OutageError:
            self.offsets = offsets | self.offsets
            raise

    def _commit(self, offsets: dict[tuple[str, int], int]) -> None:
        group = self._kafka.group
        if self.name in group and self._generation == group.generation:
            group.committed.update(offsets)
        elif offsets:
            self._superseded()

    def _superseded(self) -> None:
        """Have nothing until the group gives something."""
        self.assignment, self.is_served = None, False
        self._lanes, self._positions = {}, {}

    def _may_fetch(self) -> bool:
        group = self._kafka.group
        if self.name in group:
            return not group.is_rebalancing and self.is_served
        if self.fetches_unaware:
            self.fetches_unaware -= 1
            return self.is_served
        if not self.in_hand:  # who learns that it was expelled gives up its partitions first, as at any rebalance
            group.join(self)
        return False

    def _take(self) -> list[SourceRecord]:
        self._fetches += 1
        at_s = self._fetches / 1_000  # so few that no lane's bound on waiting is reached
        batch: list[SourceRecord] = []
        limit = self._chance.randint(1, _MAX_BATCH)
        for index, lane in self._lanes.items():
            for topic in INPUTS:
                self._fill(lane, topic, index, at_s)
            batch += lane.take(limit - len(batch), at_s)
        return batch

    def _fill(self, lane: Lane, topic: str, index: int, at_s: float) -> None:
        log, position = self._kafka.log(topic, index), self._positions[topic, index]
        fetched = log[position : position + self._chance.randint(0, _MAX_FETCH)]
        lane.add(topic, fetched, at_s)
        self._positions[topic, index] = position + len(fetched)
        lane.learn_end(topic, len(log), at_s)
        lane.learn_position(topic, position + len(fetched))
