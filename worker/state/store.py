"""Contacts in Redis: read many, write many, each in one round trip.

That is one command per bucket on a cluster, and on one server one for many buckets.

A contact is written only if it is still of the version that was read (compare and set, in `write.lua`), together
with the replies that were newly decided for it. Who loses reads again, and finds what the other decided.

Reading and writing both look at the marks of the buckets that they touch, so that data which Redis lost are noticed
before a decision is made without them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec

from worker.selection.history import ContactHistory
from worker.state.buckets import (
    bucket_of,
    buckets_of,
    home_of,
    keys_of,
    mark_key,
    owner_of,
    reply_prefix,
)
from worker.state.codec import DamagedStateError, NewerFormatError, StateError, decode, encode, head
from worker.state.commands import SCAN_COUNT, Command, Commands, Script
from worker.state.connection import RedisUnavailableError, open_client
from worker.state.marks import Guard, Guards, Mark, Token

__all__ = [
    "Change",
    "DamagedStateError",
    "NewerFormatError",
    "RedisContactStore",
    "RedisUnavailableError",
    "Snapshot",
    "StateError",
    "StateLostError",
    "connect",
]

T = TypeVar("T")
Place: TypeAlias = tuple[int, int]
"""A partition index and one of the buckets that hold its contacts."""

_WRITE: Final = Script("write.lua")
_FORGET: Final = Script("forget.lua")
_BUCKETS_TOGETHER: Final = 32
"""Buckets written by one command, where one server has them all: as many commands cost 8 µs each, most of it in the
client."""

_CONTACTS_TOGETHER: Final = 80
"""Contacts after which it is another command's turn: a script runs alone, and the server works on one while the next
is on its way. With 32 buckets of them in a command contacts of 100 numbers took 2 µs more each, of the memory."""

_GLOB = re.compile(r"([\\*?\[\]])")
_NEVER: Final = 2**53
"""More than any offset, and still exact in Lua."""

_NOT_STORED: Final = b"-"
"""Nobody writes it where a mark is."""


class StateLostError(Exception):
    """Redis no longer has what was written to buckets of these partition indexes; see `worker.state.marks`."""

    def __init__(self, indexes: Collection[int]) -> None:
        super().__init__(f"Redis lost state of the partitions {sorted(indexes)}")
        self.indexes = frozenset(indexes)


class Snapshot(msgspec.Struct):
    """A contact as it was read. `version` 0 is one never heard of; `replies` are by call id, those that exist.

    With a `fault` there is no history to be had: what is `stored` is damaged, or of a newer format.
    """

    history: ContactHistory
    version: int
    replies: dict[str, bytes]
    fault: StateError | None = None
    stored: bytes = b""


class Change(msgspec.Struct, gc=False):
    """What a contact is to become. `version` is the one that was read; `replies`, by call id, are newly decided.

    `replies_age_ms` is how old the replies are: of so much less is the time that they are kept. `replaces`, if given,
    is what the value that was read begins with, or all of it if it is damaged; `version` is then one that no earlier
    state of the contact has had.
    """

    contact_id: str
    version: int
    history: ContactHistory
    replies: dict[str, bytes]
    replies_age_ms: int = 0
    replaces: bytes | None = None


Parts: TypeAlias = Mapping[int, Sequence[Change]]
"""What is written, by bucket. With nothing to be written of contacts, a bucket is only marked."""


class RedisContactStore:
    """The contacts, on one Redis server or on Redis Cluster.

    Every method passes on the errors of the connection as those of redis-py. All effects are safe to apply twice.
    """

    def __init__(self, commands: Commands, *, buckets: int, retention_s: int, reply_retention_s: int) -> None:
        """Take the way to Redis, and for how long contacts and replies are kept after they are written."""
        self._commands = commands
        self._buckets = buckets
        self._retentions_ms = (retention_s * 1_000, reply_retention_s * 1_000)
        self._guards = Guards()

    @property
    def reply_retention_ms(self) -> int:
        """For how long replies are kept after they are written."""
        return self._retentions_ms[1]

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        """Say what the buckets must show from now on, by partition index and bucket."""
        self._guards.replace(guards)

    def buckets_of(self, index: int, partitions: int) -> range:
        """The buckets that hold the contacts of a partition index."""
        return buckets_of(index, partitions=partitions, buckets=self._buckets)

    def place_of(self, contact_id: str, partitions: int) -> Place:
        """The partition index of a contact, and the bucket that holds it."""
        return home_of(contact_id, partitions, self._buckets), bucket_of(contact_id, self._buckets)

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact, and the stored replies of the calls named: `calls` has call ids by contact.

        Raises `StateLostError` if a bucket that was read does not show what it must.
        """
        parts = self._by_bucket(calls.items(), itemgetter(0))
        keys = [_read_keys(bucket, self._guards.of(bucket), part) for bucket, part in parts.items()]
        if not self._commands.is_cluster:
            keys = [list(chain.from_iterable(keys))]
        answers = await self._commands.send([("MGET", *each) for each in keys if each])
        stored = chain.from_iterable(answers)
        lost: set[int] = set()
        snapshots: dict[str, Snapshot] = {}
        for bucket, part in parts.items():
            lost |= self._guards.see(bucket, list(islice(stored, len(self._guards.of(bucket)))))
            for contact_id, call_ids in part:
                snapshots[contact_id] = _snapshot(call_ids, stored)
        if lost:
            raise StateLostError(lost)
        return snapshots

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        """Write the changes, one a contact; give the contacts that another changed since they were read.

        Of such a contact nothing is written, neither state nor replies; the others are not touched by its loss.
        A loser may also be a contact whose write arrived while its answer was lost: read again, it has the replies.
        With the changes go the `marks`, by partition index, into every bucket that is guarded for it: marks, or
        what is to stand in their place for now.
        A bucket with a loser keeps its marks, and so may others: give them again with what is written instead.
        Raises `StateLostError` if a bucket does not show what it must: then nothing is written to that bucket.
        """
        parts: dict[int, Sequence[Change]] = dict.fromkeys(self._guards.buckets(marks), ())
        parts |= self._by_bucket(changes, attrgetter("contact_id"))
        self._guards.announce(marks)
        pieces = _one_by_one(parts) if self._commands.is_cluster else list(_pieces(parts))
        refused, losers = await self._write(pieces, marks)
        if any(len(piece) > 1 for piece in refused):
            # Nothing of theirs was written. One by one they tell where a mark is not as it should be.
            refused, more = await self._write([each for piece in refused for each in _one_by_one(piece)], marks)
            losers |= more
        if refused:
            raise StateLostError({index for piece in refused for bucket in piece for index in self._guards.of(bucket)})
        return losers

    async def _write(self, pieces: Sequence[Parts], marks: Mapping[int, Mark | bytes]) -> tuple[list[Parts], set[str]]:
        """Send a command for each piece; give those in which a mark was not as it should be, and the losers."""
        new = {index: mark if isinstance(mark, bytes) else mark.encode() for index, mark in marks.items()}
        commands = [self._write_command(piece, new) for piece in pieces]
        refused: list[Parts] = []
        losers: set[str] = set()
        for piece, positions in zip(pieces, await self._commands.run(_WRITE, commands), strict=True):
            if positions is None:
                refused.append(piece)
            elif positions:
                changes = list(chain.from_iterable(piece.values()))
                losers.update(changes[position - 1].contact_id for position in positions)
            else:
                for bucket in piece:
                    self._guards.written(bucket, marks)
        return refused, losers

    async def marks_of(self, places: Collection[Place]) -> dict[Place, bytes | None]:
        """What stands where the marks are, by partition index and bucket."""
        places = list(places)
        # Not GET, which fails on what is not a string; to MGET that is absent, as it is to the script.
        values = await self._commands.send([("MGET", mark_key(bucket, index)) for index, bucket in places])
        return {place: mark for place, [mark] in zip(places, values, strict=True)}

    async def forget(
        self, places: Collection[Place], token: bytes, partitions: int, going_on: Callable[[], None]
    ) -> None:
        """Remove the contacts of these partition indexes from these buckets, with their replies.

        It looks at every key there is, which takes about a second per million, and calls `going_on` meanwhile.
        Raises `StateLostError` if `token` does not stand where the marks of the places are: another took them over.
        """
        found: defaultdict[Place, list[bytes]] = defaultdict(list)
        wanted, count = frozenset(places), 0
        async for key in self._commands.scan("outbound:{*"):
            owner = owner_of(key)
            place = (home_of(owner.contact_id, partitions, self._buckets), owner.bucket) if owner else None
            if place in wanted:
                found[place].append(key)
            count += 1
            if count % SCAN_COUNT == 0:
                going_on()
                await self._remove(found, token)
                found.clear()
        await self._remove(found, token)

    async def _remove(self, found: Mapping[Place, Sequence[bytes]], token: bytes) -> None:
        commands: list[Command] = [
            (1 + len(keys), mark_key(bucket, index), *keys, token) for (index, bucket), keys in found.items()
        ]
        removed = await self._commands.run(_FORGET, commands)
        if lost := {index for (index, _), count in zip(found, removed, strict=True) if count is None}:
            raise StateLostError(lost)

    async def replies_of(self, contact_id: str) -> dict[str, bytes]:
        """All replies of the contact that are still kept, by call id, in the order of the ids.

        An operator's tool: it looks at every key of the contact's node, which takes about a second per million.
        """
        prefix = reply_prefix(bucket_of(contact_id, self._buckets), contact_id)
        found = self._commands.scan(_GLOB.sub(r"\\\1", prefix) + "*", beside=prefix)
        keys = sorted({key async for key in found})
        if not keys:
            return {}
        [values] = await self._commands.send([("MGET", *keys)])
        start = len(prefix.encode())
        return {key[start:].decode(): value for key, value in zip(keys, values, strict=True) if value is not None}

    async def ping(self) -> None:
        """Return if Redis answers: the server, or every primary of the cluster."""
        await self._commands.ping()

    async def close(self) -> None:
        """Close all connections."""
        await self._commands.close()

    def _by_bucket(self, items: Iterable[T], contact_id: Callable[[T], str]) -> dict[int, list[T]]:
        """Items by the bucket of the contact that each is of."""
        parts, buckets = defaultdict(list), self._buckets
        for item in items:
            parts[bucket_of(contact_id(item), buckets)].append(item)
        return parts

    def _write_command(self, piece: Parts, marks: Mapping[int, bytes]) -> Command:
        """What follows the script in the command that writes to these buckets; see `write.lua`."""
        guards = [(bucket, index, guard) for bucket in piece for index, guard in self._guards.of(bucket).items()]
        keys = [mark_key(bucket, index) for bucket, index, _ in guards]
        values: list[bytes | int] = [len(guards), *self._retentions_ms]
        for _, index, guard in guards:
            values += _guard_arguments(guard, marks.get(index, b""))
        for bucket, changes in piece.items():
            for change in changes:
                keys += keys_of(bucket, change.contact_id, change.replies)
                read = head(change.version) if change.replaces is None else change.replaces
                value = encode(change.history, change.version + 1)
                values += (read, value, change.replies_age_ms, len(change.replies), *change.replies.values())
        return (len(keys), *keys, *values)


async def connect(  # noqa: PLR0913 - all that the configuration says of Redis
    url: str,
    *,
    buckets: int,
    username: str | None = None,
    password: str | None = None,
    ca_file: Path | None = None,
    retention_s: int = 400 * 86_400,
    reply_retention_s: int = 86_400,
    timeout_s: float = 5.0,
) -> RedisContactStore:
    """The contacts at `redis://` or `rediss://` (TLS) `host:port/database`; a cluster is recognised by asking.

    `timeout_s` is for connecting and for each answer. Raises `RedisUnavailableError`.
    """
    client = await open_client(url, username=username, password=password, ca_file=ca_file, timeout_s=timeout_s)
    return RedisContactStore(
        Commands(client), buckets=buckets, retention_s=retention_s, reply_retention_s=reply_retention_s
    )


def _one_by_one(parts: Parts) -> list[Parts]:
    return [{bucket: part} for bucket, part in parts.items()]


def _pieces(parts: Parts) -> Iterator[Parts]:
    """What one command each writes."""
    piece: dict[int, Sequence[Change]] = {}
    contacts = 0
    for bucket, part in parts.items():
        piece[bucket] = part
        contacts += len(part)
        if contacts >= _CONTACTS_TOGETHER or len(piece) == _BUCKETS_TOGETHER:
            yield piece
            piece, contacts = {}, 0
    if piece:
        yield piece


def _guard_arguments(guard: Guard, new: bytes) -> tuple[bytes | int, ...]:
    if isinstance(guard, Token):
        return (guard.stands, _NEVER, _NEVER, new)
    return (b"" if guard.is_nothing else _NOT_STORED, guard.requests, guard.outcomes, new)


def _read_keys(bucket: int, guards: Iterable[int], part: Sequence[tuple[str, Collection[str]]]) -> list[str]:
    keys = [mark_key(bucket, index) for index in guards]
    for contact_id, call_ids in part:
        keys += keys_of(bucket, contact_id, call_ids)
    return keys


def _snapshot(call_ids: Collection[str], stored: Iterator[bytes | None]) -> Snapshot:
    """A contact, from what is stored under its keys, which come next."""
    value = next(stored)
    found = {}
    for call_id in call_ids:
        if (reply := next(stored)) is not None:
            found[call_id] = reply
    try:
        history, version = decode(value)
    except StateError as fault:
        return Snapshot(ContactHistory(), 0, found, fault, value or b"")
    return Snapshot(history, version, found)
