"""Contacts in Redis: read many, write many, each in one round trip, with one command per bucket.

A contact is written only if it is still of the version that was read (compare and set, in `write.lua`), together
with the replies that were newly decided for it. Who loses reads again, and finds what the other decided.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException

from worker.selection.history import ContactHistory
from worker.state.buckets import bucket_of, contact_key, reply_key, reply_prefix
from worker.state.codec import DamagedStateError, NewerFormatError, StateError, decode, encode, head
from worker.state.connection import Client, RedisUnavailableError, open_client

__all__ = [
    "Change",
    "DamagedStateError",
    "NewerFormatError",
    "RedisContactStore",
    "RedisUnavailableError",
    "Snapshot",
    "StateError",
    "connect",
]

T = TypeVar("T")
Command: TypeAlias = tuple[str | bytes | int, ...]

_SCRIPT: Final = resources.files(__package__).joinpath("write.lua").read_bytes()
_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT).hexdigest()  # noqa: S324 - the name that Redis gives a script
_SCAN_COUNT: Final = 1_000
_GLOB = re.compile(r"([\\*?\[\]])")


@dataclass(slots=True)
class Snapshot:
    """A contact as it was read. `version` 0 is one never heard of; `replies` are by call id, those that exist."""

    history: ContactHistory
    version: int
    replies: dict[str, bytes]


@dataclass(slots=True)
class Change:
    """What a contact is to become. `version` is the one that was read; `replies`, by call id, are newly decided."""

    contact_id: str
    version: int
    history: ContactHistory
    replies: dict[str, bytes]


class RedisContactStore:
    """The contacts, on one Redis server or on Redis Cluster.

    Every method passes on the errors of the connection as those of redis-py. All effects are safe to apply twice.
    """

    def __init__(self, client: Client, *, buckets: int, retention_s: int, reply_retention_s: int) -> None:
        """Take a connected client, and for how long contacts and replies are kept after they are written."""
        self._client = client
        self._buckets = buckets
        self._retentions_ms = (retention_s * 1_000, reply_retention_s * 1_000)

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact, and the stored replies of the calls named: `calls` has call ids by contact.

        Raises `StateError` if the state of one of them is damaged or newer than this program.
        """
        parts = self._by_bucket((contact_id, (contact_id, call_ids)) for contact_id, call_ids in calls.items())
        values = _without_errors(await self._send([_read_command(bucket, part) for bucket, part in parts.items()]))
        return {
            contact_id: snapshot
            for (bucket, part), stored in zip(parts.items(), values, strict=True)
            for contact_id, snapshot in _snapshots(bucket, part, iter(stored))
        }

    async def write(self, changes: Sequence[Change]) -> set[str]:
        """Write the changes, one a contact; give the contacts that another changed since they were read.

        Of such a contact nothing is written, neither state nor replies; the others are not touched by its loss.
        A loser may also be a contact whose write arrived while its answer was lost: read again, it has the replies.
        """
        parts = self._by_bucket((change.contact_id, change) for change in changes)
        losers = await self._run_script([self._arguments(bucket, part) for bucket, part in parts.items()])
        return {
            part[position - 1].contact_id
            for part, positions in zip(parts.values(), losers, strict=True)
            for position in positions
        }

    async def replies_of(self, contact_id: str) -> dict[str, bytes]:
        """All replies of the contact that are still kept, by call id, in the order of the ids.

        An operator's tool: it looks at every key of the contact's node, which takes about a second per million.
        """
        prefix = reply_prefix(bucket_of(contact_id, self._buckets), contact_id)
        found = self._client.scan_iter(
            match=_GLOB.sub(r"\\\1", prefix) + "*", count=_SCAN_COUNT, **self._node_of(prefix)
        )
        with _one_kind_of_outage():
            keys = sorted({key async for key in found})  # a scan may name a key twice
        if not keys:
            return {}
        [values] = _without_errors(await self._send([("MGET", *keys)]))
        start = len(prefix.encode())
        return {key[start:].decode(): value for key, value in zip(keys, values, strict=True) if value is not None}

    async def ping(self) -> None:
        """Return if Redis answers: the server, or every primary of the cluster."""
        with _one_kind_of_outage():
            if isinstance(self._client, RedisCluster):
                await self._client.ping(target_nodes=RedisCluster.PRIMARIES)
            else:
                await self._client.ping()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _by_bucket(self, items: Iterable[tuple[str, T]]) -> dict[int, list[T]]:
        """Items of contacts, each given with the contact's id, by the contact's bucket."""
        parts = defaultdict(list)
        for contact_id, item in items:
            parts[bucket_of(contact_id, self._buckets)].append(item)
        return parts

    def _arguments(self, bucket: int, changes: Sequence[Change]) -> Command:
        """What follows the script in the command that writes the changes of one bucket; see `write.lua`."""
        keys: list[str] = []
        values: list[bytes | int] = [*self._retentions_ms]
        for change in changes:
            keys.append(contact_key(bucket, change.contact_id))
            keys += [reply_key(bucket, change.contact_id, call_id) for call_id in change.replies]
            values += (head(change.version), encode(change.history, change.version + 1), len(change.replies))
            values += change.replies.values()
        return (len(keys), *keys, *values)

    async def _run_script(self, arguments: Sequence[Command]) -> list[Any]:
        """Run the script with each of the arguments. A server that does not know it yet is sent its text."""
        answers = await self._send([("EVALSHA", _SCRIPT_SHA, *each) for each in arguments])
        missing = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        again = await self._send([("EVAL", _SCRIPT, *arguments[index]) for index in missing])
        for index, answer in zip(missing, again, strict=True):
            answers[index] = answer
        return _without_errors(answers)

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands in one go, to each node its own; give the answers in order, errors among them.

        This is the one place where commands on contacts leave.
        """
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        with _one_kind_of_outage():
            # Errors are taken as answers: if redis-py raises them it quotes the keys, which are personal data.
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, ReadOnlyError) for answer in answers) and isinstance(self._client, Redis):
            # The server became a replica, and another one may be at the address: its open connections would not tell.
            await self._client.connection_pool.disconnect(inuse_connections=False)
        return answers

    def _node_of(self, key: str) -> dict[str, Any]:
        """The keyword argument that directs a scan to the node of the key."""
        if isinstance(self._client, RedisCluster):
            return {"target_nodes": self._client.get_node_from_key(key)}
        return {}


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
    return RedisContactStore(client, buckets=buckets, retention_s=retention_s, reply_retention_s=reply_retention_s)


def _read_command(bucket: int, part: Sequence[tuple[str, Collection[str]]]) -> Command:
    keys = []
    for contact_id, call_ids in part:
        keys.append(contact_key(bucket, contact_id))
        keys += [reply_key(bucket, contact_id, call_id) for call_id in call_ids]
    return ("MGET", *keys)


def _snapshots(
    bucket: int, part: Sequence[tuple[str, Collection[str]]], stored: Iterator[bytes | None]
) -> Iterator[tuple[str, Snapshot]]:
    """The snapshots of one bucket, from what is stored under the keys of `_read_command`, in their order."""
    for contact_id, call_ids in part:
        try:
            history, version = decode(next(stored))
        except StateError as error:
            raise type(error)(f"the state of a contact in bucket {bucket} cannot be used: {error}") from error
        found = zip(call_ids, islice(stored, len(call_ids)), strict=True)
        yield (
            contact_id,
            Snapshot(history, version, {call_id: reply for call_id, reply in found if reply is not None}),
        )


@contextmanager
def _one_kind_of_outage() -> Iterator[None]:
    """A cluster of which no node answers, or not all slots have one, fails like one server that does not answer.

    redis-py has another error for it, which is not even one of its `RedisError`.
    """
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError("Redis Cluster cannot be reached, or not all of it") from error


def _without_errors(answers: list[Any]) -> list[Any]:
    """The answers; raises the first error among them."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
