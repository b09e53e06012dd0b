"""Redis in memory: values under the keys and in the format of the real store, compared and set as `write.lua` does.

It may lose what was written last, on one node or on all, or everything: as real ones do in a crash or a failover.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from tests.keys import contact_key, reply_key
from tests.simulation.points import effect
from worker.selection.history import ContactHistory
from worker.state.buckets import bucket_of, buckets_of, home_of, mark_key, owner_of
from worker.state.codec import decode, encode, head
from worker.state.marks import Guard, Guards, Mark, decode_mark, is_held
from worker.state.store import Change, Place, Snapshot, StateLostError

BUCKETS: Final = 4
NODES: Final = 2
"""The buckets are on two nodes by turns, like those of a cluster."""


class Redis:
    """Keys and values, and what they were before."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.has_lost = False
        self._before: dict[int, list[dict[str, bytes | None]]] = {node: [] for node in range(NODES)}

    def history(self, contact_id: str) -> ContactHistory:
        """What is known of a contact."""
        return decode(self.values.get(contact_key(bucket_of(contact_id, BUCKETS), contact_id)))[0]

    def write(self, bucket: int, values: Mapping[str, bytes | None]) -> None:
        """One command's effect on a bucket: all of it or, if it is lost later, nothing; `None` removes a key."""
        self._before[bucket % NODES].append({key: self.values.get(key) for key in values})
        self._put(values)

    def lose(self, node: int, writes: int | None) -> int:
        """Lose the last writes of a node, or everything; say how many writes that was."""
        before = self._before[node]
        lost = len(before) if writes is None else min(writes, len(before))
        for _ in range(lost):
            self._put(before.pop())
        self.has_lost |= lost > 0
        return lost

    def _put(self, values: Mapping[str, bytes | None]) -> None:
        for key, value in values.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


class SimContacts:
    """Promises what `worker.state.store.RedisContactStore` promises: a command per bucket, each whole or not at all."""

    reply_retention_ms: Final = 86_400_000

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._guards = Guards()

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        self._guards.replace(guards)

    @staticmethod
    def buckets_of(index: int, partitions: int) -> range:
        return buckets_of(index, partitions=partitions, buckets=BUCKETS)

    @staticmethod
    def place_of(contact_id: str, partitions: int) -> Place:
        return home_of(contact_id, partitions, BUCKETS), bucket_of(contact_id, BUCKETS)

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        snapshots: dict[str, Snapshot] = {}
        for bucket, contact_ids in _by_bucket(calls).items():
            words = f"read {', '.join(contact_ids)}"
            snapshots |= await effect(words, partial(self._get, bucket, {c: calls[c] for c in contact_ids}))
        return snapshots

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        by_contact = {change.contact_id: change for change in changes}
        parts = _by_bucket(by_contact)
        for bucket in self._guards.buckets(marks):
            parts.setdefault(bucket, [])
        self._guards.announce(marks)
        losers: set[str] = set()
        lost: set[int] = set()
        for bucket, contact_ids in parts.items():
            words = f"write {', '.join(contact_ids) or 'the marks of'} bucket {bucket}"
            losing = await effect(words, partial(self._set, bucket, [by_contact[c] for c in contact_ids], marks))
            if losing is None:
                lost.update(self._guards.of(bucket))
            else:
                losers |= losing
                if not losing:
                    self._guards.written(bucket, marks)
        if lost:
            raise StateLostError(lost)
        return losers

    async def marks_of(self, places: Collection[Place]) -> dict[Place, bytes | None]:
        return await effect(
            "read the marks", lambda: {(i, b): self._redis.values.get(mark_key(b, i)) for i, b in places}
        )

    async def forget(
        self, places: Collection[Place], token: bytes, partitions: int, going_on: Callable[[], None]
    ) -> None:
        going_on()
        for index, bucket in sorted(places):
            words = f"forget the contacts of {index} in bucket {bucket}"
            await effect(words, partial(self._remove, index, bucket, token, partitions))

    def _remove(self, index: int, bucket: int, token: bytes, partitions: int) -> None:
        if self._redis.values.get(mark_key(bucket, index)) != token:
            raise StateLostError([index])
        found = [key for key in self._redis.values if _is_of(key, bucket, index, partitions)]
        self._redis.write(bucket, dict.fromkeys(found))

    def _get(self, bucket: int, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        values = self._redis.values
        if broken := self._guards.see(bucket, [values.get(mark_key(bucket, i)) for i in self._guards.of(bucket)]):
            raise StateLostError(broken)
        snapshots = {}
        for contact_id, call_ids in calls.items():
            history, version = decode(values.get(contact_key(bucket, contact_id)))
            kept = ((call_id, values.get(reply_key(bucket, contact_id, call_id))) for call_id in call_ids)
            replies = {call_id: reply for call_id, reply in kept if reply is not None}
            snapshots[contact_id] = Snapshot(history, version, replies)
        return snapshots

    def _set(self, bucket: int, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str] | None:
        """The contacts that lost; nothing if the bucket does not show what it must."""
        values = self._redis.values
        if self._broken(bucket):
            return None
        losers = set()
        new: dict[str, bytes | None] = {}
        new_marks: dict[str, bytes | None] = {}
        for index in self._guards.of(bucket).keys() & marks.keys():
            key = mark_key(bucket, index)
            new_marks[key] = _to_stand(values.get(key), self._guards.of(bucket)[index], marks[index])
        for change in changes:
            key = contact_key(bucket, change.contact_id)
            if not self.is_as_read(values.get(key, b""), change):
                losers.add(change.contact_id)
                continue
            new[key] = encode(change.history, change.version + 1)
            new |= {reply_key(bucket, change.contact_id, call): reply for call, reply in change.replies.items()}
        self._redis.write(bucket, new if losers else new | new_marks)
        return losers

    def _broken(self, bucket: int) -> set[int]:
        return {
            index
            for index, guard in self._guards.of(bucket).items()
            if not is_held(guard, self._redis.values.get(mark_key(bucket, index)))
        }

    @staticmethod
    def is_as_read(stored: bytes, change: Change) -> bool:
        """Whether the value is still of the version that was read: it begins with it, or there is none."""
        expected = head(change.version) if change.replaces is None else change.replaces
        return stored.startswith(expected) if expected else not stored


def _to_stand(stored: bytes | None, guard: Guard, new: Mark | bytes) -> bytes:
    if isinstance(new, bytes):
        return new
    mark = decode_mark(stored) if isinstance(guard, Mark) else None
    return new.encode() if mark is None else Mark(*map(max, mark, new)).encode()


def _is_of(key: str, bucket: int, index: int, partitions: int) -> bool:
    owner = owner_of(key.encode())
    return owner is not None and owner.bucket == bucket and bucket_of(owner.contact_id, partitions) == index


def _by_bucket(contact_ids: Collection[str]) -> dict[int, list[str]]:
    """Contacts by bucket, in an order that does not depend on that of a set."""
    parts: dict[int, list[str]] = {}
    for contact_id in sorted(contact_ids):
        parts.setdefault(bucket_of(contact_id, BUCKETS), []).append(contact_id)
    return parts
