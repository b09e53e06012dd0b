"""Replicas with a bug each, of the kind that a change of the worker may bring. The simulation must find every one."""

from collections.abc import Collection, Mapping, Sequence
from random import Random

from tests.simulation.intake import SimIntake
from tests.simulation.kafka import INPUTS, REQUESTS
from tests.simulation.logs import SimCallLogs, SimRecollection
from tests.simulation.publisher import SimPublisher
from tests.simulation.redis import SimContacts
from tests.simulation.replica import Parts, Servers, sound
from worker.state.marks import NOTHING, Guard, Mark
from worker.state.store import Change
from worker.stream.call_logs import Standing
from worker.stream.records import Outbox, SourceRecord, ends_of
from worker.stream.replies import PublishedOffsets


class _CommitsFirst(SimPublisher):
    def __init__(self, name: str, servers: Servers, intake: SimIntake) -> None:
        super().__init__(name, servers.kafka)
        self._intake = intake

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        self._intake.offsets |= ends_of(self._intake.in_hand[0])
        await self._intake.commit()
        return await super().publish(outbox)


def commits_before_publishing(name: str, servers: Servers, chance: Random) -> Parts:
    """The offsets are committed, and then the replies are published."""
    parts = sound(name, servers, chance)
    return parts._replace(publisher=_CommitsFirst(name, servers, parts.intake))


class _WritesLater(SimContacts):
    """Keeps what it is to write."""

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers.redis)
        self._kept: list[Change] = []
        self._marks: Mapping[int, Mark | bytes] = {}

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        self._kept += changes
        self._marks = {**self._marks, **marks}
        return set()

    async def write_kept(self) -> None:
        """Write it at last."""
        kept, self._kept = self._kept, []
        await super().write(kept, self._marks)


class _PublishesFirst(SimPublisher):
    def __init__(self, name: str, servers: Servers, contacts: _WritesLater) -> None:
        super().__init__(name, servers.kafka)
        self._contacts = contacts

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        ends = await super().publish(outbox)
        await self._contacts.write_kept()
        return ends


def publishes_before_writing(name: str, servers: Servers, chance: Random) -> Parts:
    """The replies are published, then the state is written, then the offsets are committed."""
    contacts = _WritesLater(servers)
    return sound(name, servers, chance)._replace(publisher=_PublishesFirst(name, servers, contacts), contacts=contacts)


class _IgnoresVersions(SimContacts):
    @staticmethod
    def is_as_read(stored: bytes, change: Change) -> bool:
        del stored, change
        return True


def writes_whatever_the_version(name: str, servers: Servers, chance: Random) -> Parts:
    """State is written though another replica changed it since it was read."""
    return sound(name, servers, chance)._replace(contacts=_IgnoresVersions(servers.redis))


class _ForgetsTheTail(SimCallLogs):
    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        standings, _ = await super().standings(indexes)
        return standings, {}


def never_reads_the_tail(name: str, servers: Servers, chance: Random) -> Parts:
    """What a predecessor published is published again."""
    return sound(name, servers, chance)._replace(logs=_ForgetsTheTail(servers.kafka, chance))


class _SendsAllAgain(SimPublisher):
    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        self._failed = False
        return await super().publish(outbox)


def sends_all_again_after_a_lost_answer(name: str, servers: Servers, chance: Random) -> Parts:
    """After a failure nobody looks which replies are in the log nevertheless."""
    return sound(name, servers, chance)._replace(publisher=_SendsAllAgain(name, servers.kafka))


class _KeepsNoReplies(SimContacts):
    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        return await super().write([Change(c.contact_id, c.version, c.history, {}) for c in changes], marks)


def keeps_no_replies(name: str, servers: Servers, chance: Random) -> Parts:
    """The state is written, the decisions are not: a call that comes again is another attempt."""
    return sound(name, servers, chance)._replace(contacts=_KeepsNoReplies(servers.redis))


class _ByTopic(SimIntake):
    async def fetch(self) -> list[SourceRecord]:
        batch = await super().fetch()
        batch.sort(key=lambda record: (record.partition, -INPUTS.index(record.topic), record.offset))
        if batch:
            self.in_hand[-1] = list(batch)
        return batch


def handles_requests_before_outcomes(name: str, servers: Servers, chance: Random) -> Parts:
    """The order of the timestamps is not that of handling."""
    return sound(name, servers, chance)._replace(intake=_ByTopic(name, servers.kafka, chance))


class _SendsBackwards(SimPublisher):
    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        outbox.replies.reverse()
        return await super().publish(outbox)


def publishes_in_another_order(name: str, servers: Servers, chance: Random) -> Parts:
    """Replies are in the log, but not in the order of their requests."""
    return sound(name, servers, chance)._replace(publisher=_SendsBackwards(name, servers.kafka))


class _BuriesNothing(SimPublisher):
    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        outbox.dead_letters = []
        return await super().publish(outbox)


def drops_what_does_not_fit(name: str, servers: Servers, chance: Random) -> Parts:
    """A record that does not fit is passed over without a dead letter."""
    return sound(name, servers, chance)._replace(publisher=_BuriesNothing(name, servers.kafka))


class _CommitsRequestsOnly(SimIntake):
    def done(self, batch: Sequence[SourceRecord]) -> None:
        super().done(batch)
        self.offsets = {(topic, index): end for (topic, index), end in self.offsets.items() if topic == REQUESTS}


def never_commits_outcomes(name: str, servers: Servers, chance: Random) -> Parts:
    """The offsets of one topic stay where they were."""
    return sound(name, servers, chance)._replace(intake=_CommitsRequestsOnly(name, servers.kafka, chance))


class _ExpectsNothing(SimCallLogs):
    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        standings, published = await super().standings(indexes)
        return {index: standing._replace(done=NOTHING) for index, standing in standings.items()}, published


def takes_over_whatever_redis_has(name: str, servers: Servers, chance: Random) -> Parts:
    """A replica serves partitions without looking whether their state is all there."""
    return sound(name, servers, chance)._replace(logs=_ExpectsNothing(servers.kafka, chance))


class _NeverLooksAgain(SimContacts):
    def _broken(self, bucket: int) -> set[int]:
        del bucket
        return set()

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        self.places = guards
        super().guard({})

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        super().guard({index: dict.fromkeys(of_index, NOTHING) for index, of_index in self.places.items()})
        losers = await super().write(changes, marks)
        super().guard({})
        return losers


def never_looks_at_the_marks_again(name: str, servers: Servers, chance: Random) -> Parts:
    """What Redis loses under a running replica is not noticed."""
    return sound(name, servers, chance)._replace(contacts=_NeverLooksAgain(servers.redis))


class _RecallsReplies(SimCallLogs):
    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> SimRecollection:
        return super().recall(starts, {index: end._replace(outcomes=0) for index, end in ends.items()})


def rebuilds_without_outcomes(name: str, servers: Servers, chance: Random) -> Parts:
    """A rebuild reads the replies and not the outcomes."""
    return sound(name, servers, chance)._replace(logs=_RecallsReplies(servers.kafka, chance))


class _MarksFirst(SimContacts):
    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        await super().write([], marks)
        return await super().write(changes, {})


def writes_the_marks_before_the_contacts(name: str, servers: Servers, chance: Random) -> Parts:
    """The marks are not written in one step with the contacts that they vouch for."""
    return sound(name, servers, chance)._replace(contacts=_MarksFirst(servers.redis))
