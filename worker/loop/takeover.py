"""Before partitions are served: what was published is learned, and what Redis lost of them is taken from the logs."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from worker.loop.progress import Progress
from worker.loop.recovery import (
    Logs,
    Lost,
    LostContacts,
    Recollection,
    Recovery,
    milliseconds,
    recall_all,
    recalled_change,
    remember,
)
from worker.state.marks import NOTHING, Guard, Mark, Token, decode_mark, is_held
from worker.state.store import Place, Snapshot
from worker.stream.call_logs import Standing
from worker.stream.records import Assignment, SourceRecord
from worker.stream.replies import PublishedOffsets
from worker.stream.topics import CallTopics

PROGRESS_S = 5.0
"""How often a rebuild says how far it is."""

log = structlog.get_logger(__name__)


class Assigned(Protocol):
    """What a take-over needs of the intake."""

    @property
    def assignment(self) -> Assignment | None:
        """What the group gave, `None` while it is being decided."""

    def serve(self, assignment: Assignment) -> None:
        """Let records be handed out, if this still is the assignment."""


class GuardedContacts(LostContacts, Protocol):
    """What a take-over needs of Redis."""

    def buckets_of(self, index: int, partitions: int) -> range:
        """The buckets that hold the contacts of a partition index."""

    async def marks_of(self, places: Collection[Place]) -> dict[Place, bytes | None]:
        """What stands where the marks are."""


class TakeOver:
    """Takes partitions over, step by step, so that the loop stays alive and may be told to stop meanwhile."""

    def __init__(  # noqa: PLR0913 - the joints of the worker, passed in by the composition root
        self,
        *,
        topics: CallTopics,
        intake: Assigned,
        logs: Logs,
        contacts: GuardedContacts,
        now: Callable[[], datetime],
        token: Callable[[], str],
        alive: Callable[[], None],
    ) -> None:
        """Take the parts. `token` gives another text each time, on whichever replica."""
        self._topics = topics
        self._intake = intake
        self._logs = logs
        self._contacts = contacts
        self._now = now
        self._token = token
        self._alive = alive
        self._assignment: Assignment | None = None
        self._served: Assignment | None = None
        self._standings: dict[int, Standing] = {}
        self._published: PublishedOffsets = {}
        self._recovery: Recovery | None = None
        self._recollection: Recollection | None = None
        self._begun_at = self._told_at = now()
        self.progress = Progress(topics, {})
        """How far the served partitions have got."""
        self.losses = 0
        """Buckets of which something was found lost."""
        self.recalled = 0
        """Records read once more."""

    def was_published(self, record: SourceRecord) -> bool:
        """Whether the reply to the record was in the log already when this replica took the partition over."""
        return record.offset <= self._published.get((record.topic, record.partition), -1)

    @property
    def remaining(self) -> int:
        """Records that a rebuild still has to read."""
        return self._recollection.remaining if self._recollection is not None else 0

    async def step(self) -> bool:
        """Do what is next before the assigned partitions may be served; say whether they are.

        Raises what the connections raise, and `StateLostError` if another replica takes them over as well.
        """
        assignment = self._intake.assignment
        if assignment is not self._assignment:
            await self.close()
            self._assignment = assignment
        if assignment is None or assignment is self._served:
            return True
        if self._recovery is None:
            lost = await self._look(assignment)
            if not lost.places:
                self.progress = Progress(self._topics, {i: each.done for i, each in self._standings.items()})
                self._served = assignment
                self._intake.serve(assignment)
                return True
            await self._begin(lost)
        elif await self._recovery.step():
            self._log_end()
            await self.close()  # and what was built is looked at once more, before it is served
        elif (self._now() - self._told_at).total_seconds() >= PROGRESS_S:
            self._log_progress("rebuild_progress")
        return False

    async def close(self) -> None:
        """Give up a recovery that is going on."""
        recovery, self._recovery, self._recollection = self._recovery, None, None
        if recovery is not None:
            await recovery.close()

    async def _look(self, assignment: Assignment) -> Lost:
        """Compare what the buckets vouch for with what the logs say was done."""
        self._standings, self._published = await self._logs.standings(assignment.indexes)
        places = [
            (index, bucket)
            for index in assignment.indexes
            for bucket in self._contacts.buckets_of(index, assignment.partitions)
        ]
        found = await self._contacts.marks_of(places)
        missing = {place for place in places if not is_held(self._standings[place[0]].done, found[place])}
        missing |= await self._blank(found, assignment.partitions)
        lost = Lost.among(found, missing, assignment.partitions)
        if not lost.places:
            await self._guard(found)
        return lost

    async def _blank(self, found: Mapping[Place, bytes | None], partitions: int) -> set[Place]:
        """Places of which nothing is expected and where no mark is, and that were lost all the same.

        An index that was never handled has no mark yet, and gets one now. But its contacts may have been those of
        another index before partitions were added: then a mark of that one is in the bucket, or was lost with them.
        """
        blank = {
            place for place, stored in found.items() if stored is None and self._standings[place[0]].done.is_nothing
        }
        if not blank:
            return blank
        standings, _ = await self._logs.standings(range(partitions))
        if all(standing.done.is_nothing for standing in standings.values()):
            return set()  # nothing was ever handled
        marked = await self._contacts.marks_of([(index, bucket) for _, bucket in blank for index in range(partitions)])
        buckets = {bucket for (_, bucket), stored in marked.items() if stored is not None}
        return {(index, bucket) for index, bucket in blank if bucket not in buckets}

    async def _guard(self, found: Mapping[Place, bytes | None]) -> None:
        guards: dict[int, dict[int, Guard]] = {index: {} for index, _ in found}
        to_write: dict[int, Mark | bytes] = {}
        for (index, bucket), stored in found.items():
            mark, standing = decode_mark(stored), self._standings[index]
            guards[index][bucket] = mark or NOTHING
            if mark is None:
                to_write[index] = standing.done  # so that from now on it is known whether there was one
            elif not standing.ends.reaches(mark):
                # It vouches for more than there is: the topic was made anew. Kept, it would hide what is lost next.
                guards[index][bucket] = Token(stored or b"", standing.done.encode())
                to_write[index] = standing.done
        self._contacts.guard(guards)
        if to_write:
            await self._contacts.write([], to_write)

    async def _begin(self, lost: Lost) -> None:
        starts = lost.starts()
        if starts.keys() - self._standings.keys():
            self._standings, self._published = await self._logs.standings(list(starts))
        ends = {index: self._standings[index].done for index in starts}
        self._recollection = self._logs.recall(starts, ends)
        self._recovery = Recovery(
            contacts=self._contacts,
            lost=lost,
            standings=self._standings,
            recollection=self._recollection,
            token=f"rebuilding {self._token()}".encode(),
            now=self._now,
            progress=self._count,
        )
        self.losses += len(lost.places)
        self._begun_at = self._told_at = self._now()
        log.error(
            "state_lost",
            partitions=lost.indexes,
            buckets_wholly=len(lost.wholly),
            buckets_at_their_end=len(lost.since),
            records_to_read=self.remaining,
        )

    def _count(self, records: int) -> None:
        self.recalled += records
        self._alive()

    def _log_progress(self, event: str) -> None:
        assert self._recovery is not None  # noqa: S101 - for the type checker: there is one when there is progress
        self._told_at = self._now()
        elapsed_s = max((self._told_at - self._begun_at).total_seconds(), 1e-3)
        records = self._recovery.records
        log.info(event, records=records, records_per_s=round(records / elapsed_s), remaining=self.remaining)

    def _log_end(self) -> None:
        self._log_progress("state_rebuilt")
        if self._recollection is not None and self._recollection.missing:
            log.warning(
                "history_incomplete",
                records_gone=self._recollection.missing,
                reason="the topics no longer hold them: what they said of contacts and calls cannot come back",
            )

    async def mend(self, damaged: Mapping[str, Snapshot]) -> None:
        """Build contacts anew whose stored state is damaged, each from all that the logs say of it."""
        assert self._assignment is not None  # noqa: S101 - for the type checker: records are handled when assigned
        _, recollection = await recall_all(self._logs, self._assignment.partitions)
        found = await remember(recollection, damaged, self._count)
        now_ms, kept_ms = milliseconds(self._now()), self._contacts.reply_retention_ms
        changes = [
            recalled_change(contact_id, of_contact, damaged[contact_id], now_ms, kept_ms)
            for contact_id, of_contact in found.items()
        ]
        await self._contacts.write(changes, {})
        log.warning("damaged_state_rebuilt", contacts=len(changes))
