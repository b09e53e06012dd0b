"""Redis in memory: values under the keys and in the format of the real store, compared and set as `write.lua` does."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from tests.simulation.points import effect
from worker.selection.history import ContactHistory
from worker.state.buckets import bucket_of, contact_key, reply_key
from worker.state.codec import decode, encode, head
from worker.state.store import Change, Snapshot

BUCKETS: Final = 4


class Redis:
    """Keys and values."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def history(self, contact_id: str) -> ContactHistory:
        """What is known of a contact."""
        return decode(self.values.get(contact_key(bucket_of(contact_id, BUCKETS), contact_id)))[0]


class SimContacts:
    """Promises what `worker.state.store.RedisContactStore` promises: a command per bucket, each whole or not at all."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        snapshots: dict[str, Snapshot] = {}
        for bucket, contact_ids in _by_bucket(calls).items():
            words = f"read {', '.join(contact_ids)}"
            snapshots |= await effect(words, partial(self._get, bucket, {c: calls[c] for c in contact_ids}))
        return snapshots

    async def write(self, changes: Sequence[Change]) -> set[str]:
        by_contact = {change.contact_id: change for change in changes}
        losers: set[str] = set()
        for bucket, contact_ids in _by_bucket(by_contact).items():
            words = f"write {', '.join(contact_ids)}"
            losers |= await effect(words, partial(self._set, bucket, [by_contact[c] for c in contact_ids]))
        return losers

    def _get(self, bucket: int, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        values = self._redis.values
        snapshots = {}
        for contact_id, call_ids in calls.items():
            history, version = decode(values.get(contact_key(bucket, contact_id)))
            kept = ((call_id, values.get(reply_key(bucket, contact_id, call_id))) for call_id in call_ids)
            replies = {call_id: reply for call_id, reply in kept if reply is not None}
            snapshots[contact_id] = Snapshot(history, version, replies)
        return snapshots

    def _set(self, bucket: int, changes: Sequence[Change]) -> set[str]:
        values = self._redis.values
        losers = set()
        for change in changes:
            key = contact_key(bucket, change.contact_id)
            if not self.is_as_read(values.get(key, b""), change.version):
                losers.add(change.contact_id)
                continue
            values[key] = encode(change.history, change.version + 1)
            values |= {reply_key(bucket, change.contact_id, call): reply for call, reply in change.replies.items()}
        return losers

    @staticmethod
    def is_as_read(stored: bytes, version: int) -> bool:
        """Whether the value is still of the version that was read: it begins with it, or there is none."""
        expected = head(version)
        return stored.startswith(expected) if expected else not stored


def _by_bucket(contact_ids: Collection[str]) -> dict[int, list[str]]:
    """Contacts by bucket, in an order that does not depend on that of a set."""
    parts: dict[int, list[str]] = {}
    for contact_id in sorted(contact_ids):
        parts.setdefault(bucket_of(contact_id, BUCKETS), []).append(contact_id)
    return parts
