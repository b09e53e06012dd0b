"""What Redis lost, taken from the logs again: chunk by chunk, in memory that stays flat, safe to begin anew."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from worker.loop.recalling import Memory, memories, rejected_calls, take_in
from worker.selection.history import ContactHistory
from worker.state.codec import head
from worker.state.marks import NOTHING, Guard, Mark, Token, decode_mark
from worker.state.store import Change, Place, Snapshot
from worker.stream.call_logs import Standing
from worker.stream.recollection import Recalled
from worker.stream.replies import PublishedOffsets


class Recollection(Protocol):
    """The logs, read once more, in the order in which they were handled."""

    @property
    def remaining(self) -> int:
        """Offsets to go."""

    @property
    def missing(self) -> int:
        """Records that the logs no longer hold, of those that were asked for."""

    async def chunk(self) -> list[Recalled]:
        """The next records; none at the end."""

    async def close(self) -> None:
        """Disconnect."""


class Logs(Protocol):
    """The logs of calls."""

    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        """How far each partition index got, and which replies are out."""

    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> Recollection:
        """Read replies and outcomes once more."""


class LostContacts(Protocol):
    """What a recovery needs of Redis."""

    @property
    def reply_retention_ms(self) -> int:
        """For how long replies are kept."""

    def place_of(self, contact_id: str, partitions: int) -> Place:
        """The partition index of a contact, and the bucket that holds it."""

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        """Say what the buckets must show from now on, by partition index and bucket."""

    async def forget(
        self, places: Collection[Place], token: bytes, partitions: int, going_on: Callable[[], None]
    ) -> None:
        """Remove contacts and their replies, if the token stands where the marks are."""

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact."""

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        """Write the changes and the marks; give the contacts that were changed by another since they were read."""


@dataclass(slots=True, kw_only=True)
class Lost:
    """What is missing, by partition index and bucket: all, or what came after a mark.

    Of one index it is the same for all its buckets.
    """

    partitions: int
    """How many partition indexes there are."""
    wholly: dict[Place, bytes]
    """With what stands there instead of a mark; nothing, as a rule."""
    since: dict[Place, Mark]

    @property
    def places(self) -> set[Place]:
        """All places that lost something."""
        return self.wholly.keys() | self.since.keys()

    @property
    def indexes(self) -> list[int]:
        """Their partition indexes."""
        return sorted({index for index, _ in self.places})

    def starts(self) -> dict[int, Mark]:
        """From where each index's logs must be read.

        What a bucket held wholly may have come from any partition: before partitions were added, or with a
        partitioner of the dialer's own.
        """
        if self.wholly:
            return dict.fromkeys(range(self.partitions), NOTHING)
        starts: dict[int, Mark] = {}
        for (index, _), mark in self.since.items():
            earlier = starts.get(index, mark)
            starts[index] = Mark(*map(min, earlier, mark))
        return starts

    @classmethod
    def among(cls, found: Mapping[Place, bytes | None], places: Iterable[Place], partitions: int) -> "Lost":
        """Tell the two kinds apart by what stands where the marks are."""
        places = list(places)
        marks = {place: decode_mark(found[place]) for place in places}
        wholly = {index for (index, _), mark in marks.items() if mark is None}
        return cls(
            partitions=partitions,
            wholly={place: found[place] or b"" for place in places if place[0] in wholly},
            since={place: mark for place, mark in marks.items() if mark is not None and place[0] not in wholly},
        )


class Recovery:
    """One recovery, from beginning to end. It may be given up at any step: the next one begins where it makes sense.

    Where all is lost nothing is left of the contacts before they are built anew, and a token stands in place of the
    mark, another after each chunk, so that nobody else can write there, nor what is built be lost unseen. Where only
    the end is lost the marks go on with what is taken in.
    """

    def __init__(  # noqa: PLR0913 - what is lost, from where it comes, and where it goes
        self,
        *,
        contacts: LostContacts,
        lost: Lost,
        standings: Mapping[int, Standing],
        recollection: Recollection,
        token: bytes,
        now: Callable[[], datetime],
        progress: Callable[[int], None],
    ) -> None:
        """Take the parts. `standings` are of every index that is read; `token` is one that no other recovery has."""
        self._contacts = contacts
        self._lost = lost
        self._standings = standings
        self._recollection = recollection
        self._token = token
        self._now = now
        self._progress = progress
        self._since = frozenset(index for index, _ in lost.since)
        self._marks: dict[int, Mark] = {}
        self._begun = False
        self._chunks = 0
        self._chunk: list[Recalled] = []
        self._tried: dict[str, int] = {}
        """Contacts of the chunk in hand, and the version that it was tried to write."""
        self.records = 0
        """Records read so far."""

    async def step(self) -> bool:
        """Take in the next chunk; say whether that was the last. After an error it can be asked again.

        Raises `StateLostError` if another replica writes where this one does.
        """
        if not self._begun:
            await self._begin()
        if not self._chunk:
            self._chunk = await self._recollection.chunk()
        if not self._chunk:
            done = {index: self._standings[index].done for index in self._lost.indexes}
            await self._contacts.write([], done)
            return True
        await self._take_in(self._chunk)
        self._chunks += 1
        self.records += len(self._chunk)
        self._progress(len(self._chunk))
        self._chunk = []
        return False

    async def close(self) -> None:
        """Stop reading the logs."""
        await self._recollection.close()

    async def _begin(self) -> None:
        token, wholly = self._token_after(0), self._lost.wholly
        guards: dict[int, dict[int, Guard]] = {}
        for (index, bucket), mark in self._lost.since.items():
            guards.setdefault(index, {})[bucket] = mark
        for (index, bucket), found in wholly.items():
            guards.setdefault(index, {})[bucket] = Token(found, token)  # or the token, after an error
        self._contacts.guard(guards)
        if wholly:
            await self._contacts.write([], {index: token for index, _ in wholly})
            await self._contacts.forget(wholly, token, self._lost.partitions, partial(self._progress, 0))
        self._begun = True

    async def _take_in(self, chunk: Sequence[Recalled]) -> None:
        marks = self._marks_after(chunk)
        by_contact = self._lost_of(memories(chunk))
        to_write: dict[int, Mark | bytes] = {**marks}
        to_write |= dict.fromkeys({index for index, _ in self._lost.wholly}, self._token_after(self._chunks + 1))
        while by_contact or to_write:
            changes = await self._changes(by_contact)
            losers = await self._contacts.write(changes, to_write)
            if not losers:
                to_write = {}
            by_contact = {contact_id: by_contact[contact_id] for contact_id in losers}
        self._marks |= marks
        self._tried.clear()

    async def _changes(self, by_contact: Mapping[str, Sequence[Memory]]) -> list[Change]:
        """What to write; without what an earlier try has written though its answer was lost."""
        snapshots = await self._contacts.read({c: rejected_calls(of_contact) for c, of_contact in by_contact.items()})
        now_ms, kept_ms = milliseconds(self._now()), self._contacts.reply_retention_ms
        changes = []
        for contact_id, of_contact in by_contact.items():
            snapshot = snapshots[contact_id]
            # What cannot be read is left to who meets it in its turn: the end of the logs would not be all of it.
            if snapshot.fault is None and self._tried.get(contact_id) != snapshot.version:
                change = recalled_change(contact_id, of_contact, snapshot, now_ms, kept_ms)
                self._tried[contact_id] = change.version + 1
                changes.append(change)
        return changes

    def _lost_of(self, by_contact: Mapping[str, list[Memory]]) -> dict[str, list[Memory]]:
        """Of what is remembered, what the buckets of the contacts no longer know."""
        lost: dict[str, list[Memory]] = {}
        for contact_id, of_contact in by_contact.items():
            place = self._contacts.place_of(contact_id, self._lost.partitions)
            if place in self._lost.wholly:
                lost[contact_id] = of_contact
            elif of_end := [memory for memory in of_contact if self._is_lost(memory.recalled, place)]:
                lost[contact_id] = of_end
        return lost

    def _is_lost(self, recalled: Recalled, place: Place) -> bool:
        """Whether a bucket that lost its end at most no longer knows of it."""
        home, _ = place
        mark = self._lost.since.get(place)
        if mark is not None and home == recalled.partition:
            return _is_beyond(mark, recalled)
        # A contact that comes on another partition than its own is looked after by the one that it comes on.
        return home != recalled.partition and recalled.partition in self._since

    def _token_after(self, chunks: int) -> bytes:
        return b"%b %d" % (self._token, chunks)

    def _marks_after(self, chunk: Iterable[Recalled]) -> dict[int, Mark]:
        """The marks of what lost its end, once the chunk is taken in."""
        marks: dict[int, Mark] = {}
        for recalled in chunk if self._since else ():
            index, behind = recalled.partition, recalled.offset + 1
            if index not in self._since:
                continue
            mark = marks.get(index) or self._marks.get(index, NOTHING)
            if not recalled.is_reply:
                mark = mark._replace(outcomes=behind)
            else:
                answered = mark.requests if recalled.request is None else max(mark.requests, recalled.request + 1)
                mark = mark._replace(requests=answered, replies=behind)
            marks[index] = mark
        return marks


async def recall_all(logs: Logs, partitions: int) -> tuple[Mapping[int, Standing], Recollection]:
    """All that was handled for certain, of every partition index, from the beginnings of the logs."""
    indexes = range(partitions)
    standings, _ = await logs.standings(indexes)
    starts: dict[int, Mark] = dict.fromkeys(indexes, NOTHING)
    return standings, logs.recall(starts, {index: standing.done for index, standing in standings.items()})


async def remember(
    recollection: Recollection, contact_ids: Collection[str], progress: Callable[[int], None]
) -> dict[str, list[Memory]]:
    """All that the logs say of some contacts, in order. Closes the recollection."""
    found: dict[str, list[Memory]] = {contact_id: [] for contact_id in contact_ids}
    try:
        while chunk := await recollection.chunk():
            progress(len(chunk))
            by_contact = memories(chunk)
            for contact_id in found.keys() & by_contact.keys():
                found[contact_id] += by_contact[contact_id]
    finally:
        await recollection.close()
    return found


def milliseconds(now: datetime) -> int:
    """Milliseconds since 1970, whole ones."""
    return int(now.timestamp() * 1_000)


def recalled_change(
    contact_id: str, of_contact: Sequence[Memory], snapshot: Snapshot, now_ms: int, reply_retention_ms: int
) -> Change:
    """What a contact is to become by its memories, over what is stored; over nothing, if that is damaged."""
    history = ContactHistory() if snapshot.fault else snapshot.history
    replies = take_in(of_contact, history, snapshot.replies, replies_since_ms=now_ms - reply_retention_ms)
    return Change(
        contact_id,
        # No earlier state had that many versions, so that who read one of them and slept through the loss cannot write.
        max(now_ms, snapshot.version),
        history,
        replies,
        replies_age_ms=max(0, now_ms - _newest_ms(of_contact)) if replies else 0,
        replaces=snapshot.stored if snapshot.fault else head(snapshot.version),
    )


def _newest_ms(of_contact: Iterable[Memory]) -> int:
    """When the last of the replies was published."""
    return max([memory.recalled.timestamp for memory in of_contact if memory.recalled.is_reply], default=0)


def _is_beyond(mark: Mark, recalled: Recalled) -> bool:
    if not recalled.is_reply:
        return recalled.offset >= mark.outcomes
    return recalled.offset >= mark.replies if recalled.request is None else recalled.request >= mark.requests
