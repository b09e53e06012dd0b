"""The topic of replies, read back: by a replica that takes partitions over, by a rebuild, and by `explain`.

Every reply says which request record it answers. A request at or below the largest one that was published, and
whose decision is stored, has been answered.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from schemas.headers import SOURCE
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end
from worker.stream.records import SourceRecord
from worker.stream.topics import require_topic

PublishedOffsets = dict[tuple[str, int], int]
"""Input topic and partition index to the largest offset whose reply is in the log."""

TAIL_RECORDS: Final = 1_000
"""How far back to look: a replica that woke up late may have repeated older replies at the very end."""

_PARTS: Final = 3
_MAX_DIGITS: Final = 18


class Source(NamedTuple):
    """The request record that a reply answers; its partition index is the reply's own."""

    topic: str
    offset: int
    timestamp: int


def source_of(request: SourceRecord) -> bytes:
    """The value of the header that names the request a reply answers."""
    return f"{request.topic}:{request.offset}:{request.timestamp}".encode()


def read_source(reply: SourceRecord) -> Source | None:
    """The request that a reply answers; `None` if it does not say. It is `topic:offset:timestamp`."""
    said: bytes | None = None
    for name, value in reply.headers:
        if name == SOURCE:
            said = value
    parts = (said or b"").split(b":")
    if len(parts) != _PARTS:
        return None
    topic, offset, timestamp = parts
    if not topic or not _is_whole(offset) or not _is_whole(timestamp.removeprefix(b"-")):
        return None
    return Source(topic.decode("utf-8", "replace"), int(offset), int(timestamp))


def _is_whole(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= _MAX_DIGITS


async def published_offsets(
    connection: KafkaConnection, number_assigned: str, partitions: Collection[int]
) -> PublishedOffsets:
    """Learn from the tail of the output partitions what was answered. Raises aiokafka's `KafkaError`."""
    published: PublishedOffsets = {}
    async for reply in read_to_end(connection, number_assigned, partitions, last=TAIL_RECORDS):
        note_published(published, reply)
    return published


def note_published(published: PublishedOffsets, reply: SourceRecord) -> None:
    """Take in which request a reply answers."""
    if (source := read_source(reply)) is not None:
        key = source.topic, reply.partition
        published[key] = max(published.get(key, -1), source.offset)


async def published_replies(
    connection: KafkaConnection, number_assigned: str, partitions: Collection[int], *, last: int
) -> set[tuple[bytes, bytes]]:
    """The replies near the end of the output partitions, each as its source and its bytes. Raises `KafkaError`."""
    tail = read_to_end(connection, number_assigned, partitions, last=last)
    return {(dict(reply.headers).get(SOURCE) or b"", reply.value) async for reply in tail}


async def replies_to(connection: KafkaConnection, number_assigned: str, contact_id: str) -> list[bytes]:
    """The replies to a contact's calls that the topic still holds.

    All partitions are read: a dialer may use a partitioner of its own. Raises `TopicMismatchError` if there is no
    such topic, and `KafkaUnavailableError`.
    """
    await require_topic(connection, number_assigned)
    key = contact_id.encode()
    try:
        return [r.value async for r in read_to_end(connection, number_assigned) if r.key == key]
    except KafkaError as error:
        raise connection.unavailable(error) from error
