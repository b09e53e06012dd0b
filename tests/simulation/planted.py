"""Replicas with a bug each, of the kind that a change of the worker may bring. The simulation must find every one."""

from collections.abc import Sequence
from random import Random

from tests.simulation.intake import SimIntake
from tests.simulation.kafka import INPUTS, REQUESTS
from tests.simulation.publisher import SimPublisher
from tests.simulation.redis import SimContacts
from tests.simulation.replica import Parts, Servers, sound
from worker.state.store import Change
from worker.stream.records import Outbox, SourceRecord


class _CommitsFirst(SimPublisher):
    def __init__(self, name: str, servers: Servers, intake: SimIntake) -> None:
        super().__init__(name, servers.kafka)
        self._intake = intake

    async def publish(self, outbox: Outbox) -> None:
        if self._intake.in_hand:
            await self._intake.commit(self._intake.in_hand)
        await super().publish(outbox)


def commits_before_publishing(name: str, servers: Servers, chance: Random) -> Parts:
    """The offsets are committed, and then the replies are published."""
    parts = sound(name, servers, chance)
    return parts._replace(publisher=_CommitsFirst(name, servers, parts.intake))


class _WritesLater(SimContacts):
    """Keeps what it is to write."""

    def __init__(self, servers: Servers) -> None:
        super().__init__(servers.redis)
        self._kept: list[Change] = []

    async def write(self, changes: Sequence[Change]) -> set[str]:
        self._kept = [*changes]
        return set()

    async def write_kept(self) -> None:
        """Write it at last."""
        await super().write(self._kept)
        self._kept = []


class _WritesAtCommit(SimIntake):
    def __init__(self, name: str, servers: Servers, chance: Random, contacts: _WritesLater) -> None:
        super().__init__(name, servers.kafka, chance)
        self._contacts = contacts

    async def commit(self, batch: Sequence[SourceRecord]) -> None:
        await self._contacts.write_kept()
        await super().commit(batch)


def publishes_before_writing(name: str, servers: Servers, chance: Random) -> Parts:
    """The replies are published, then the state is written, then the offsets are committed."""
    contacts = _WritesLater(servers)
    intake = _WritesAtCommit(name, servers, chance, contacts)
    return sound(name, servers, chance)._replace(intake=intake, contacts=contacts)


class _IgnoresVersions(SimContacts):
    @staticmethod
    def is_as_read(stored: bytes, version: int) -> bool:
        del stored, version
        return True


def writes_whatever_the_version(name: str, servers: Servers, chance: Random) -> Parts:
    """State is written though another replica changed it since it was read."""
    return sound(name, servers, chance)._replace(contacts=_IgnoresVersions(servers.redis))


class _ForgetsTheTail(SimIntake):
    def was_published(self, record: SourceRecord) -> bool:
        del record
        return False


def never_reads_the_tail(name: str, servers: Servers, chance: Random) -> Parts:
    """What a predecessor published is published again."""
    return sound(name, servers, chance)._replace(intake=_ForgetsTheTail(name, servers.kafka, chance))


class _SendsAllAgain(SimPublisher):
    async def publish(self, outbox: Outbox) -> None:
        self._failed = False
        await super().publish(outbox)


def sends_all_again_after_a_lost_answer(name: str, servers: Servers, chance: Random) -> Parts:
    """After a failure nobody looks which replies are in the log nevertheless."""
    return sound(name, servers, chance)._replace(publisher=_SendsAllAgain(name, servers.kafka))


class _KeepsNoReplies(SimContacts):
    async def write(self, changes: Sequence[Change]) -> set[str]:
        return await super().write([Change(c.contact_id, c.version, c.history, {}) for c in changes])


def keeps_no_replies(name: str, servers: Servers, chance: Random) -> Parts:
    """The state is written, the decisions are not: a call that comes again is another attempt."""
    return sound(name, servers, chance)._replace(contacts=_KeepsNoReplies(servers.redis))


class _ByTopic(SimIntake):
    async def fetch(self) -> list[SourceRecord]:
        batch = await super().fetch()
        batch.sort(key=lambda record: (record.partition, -INPUTS.index(record.topic), record.offset))
        return batch


def handles_requests_before_outcomes(name: str, servers: Servers, chance: Random) -> Parts:
    """The order of the timestamps is not that of handling."""
    return sound(name, servers, chance)._replace(intake=_ByTopic(name, servers.kafka, chance))


class _SendsBackwards(SimPublisher):
    async def publish(self, outbox: Outbox) -> None:
        outbox.replies.reverse()
        await super().publish(outbox)


def publishes_in_another_order(name: str, servers: Servers, chance: Random) -> Parts:
    """Replies are in the log, but not in the order of their requests."""
    return sound(name, servers, chance)._replace(publisher=_SendsBackwards(name, servers.kafka))


class _BuriesNothing(SimPublisher):
    async def publish(self, outbox: Outbox) -> None:
        outbox.dead_letters = []
        await super().publish(outbox)


def drops_what_does_not_fit(name: str, servers: Servers, chance: Random) -> Parts:
    """A record that does not fit is passed over without a dead letter."""
    return sound(name, servers, chance)._replace(publisher=_BuriesNothing(name, servers.kafka))


class _CommitsRequestsOnly(SimIntake):
    async def commit(self, batch: Sequence[SourceRecord]) -> None:
        await super().commit([record for record in batch if record.topic == REQUESTS])


def never_commits_outcomes(name: str, servers: Servers, chance: Random) -> Parts:
    """The offsets of one topic stay where they were."""
    return sound(name, servers, chance)._replace(intake=_CommitsRequestsOnly(name, servers.kafka, chance))
