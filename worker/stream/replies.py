"""The topic of replies, read back: by a replica that takes partitions over, and by `explain`.

Every reply carries the topic and offset of the request that it answers. A request at or below the largest one
that was published, and whose decision is stored, has been answered.
"""

from collections.abc import Collection
from typing import Final

from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from schemas.headers import SOURCE
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end
from worker.stream.topics import require_topic

PublishedOffsets = dict[tuple[str, int], int]
"""Input topic and partition index to the largest offset whose reply is in the log."""

TAIL_RECORDS: Final = 1_000
"""How far back to look: a replica that woke up late may have repeated older replies at the very end."""


def source_of(topic: str, offset: int) -> bytes:
    """The value of the header that names the request a reply answers."""
    return f"{topic}:{offset}".encode()


async def published_offsets(
    connection: KafkaConnection, number_assigned: str, partitions: Collection[int]
) -> PublishedOffsets:
    """Learn from the tail of the output partitions what was answered. Raises aiokafka's `KafkaError`."""
    published: PublishedOffsets = {}
    async for reply in read_to_end(connection, number_assigned, partitions, last=TAIL_RECORDS):
        _note(published, reply)
    return published


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


def _note(published: PublishedOffsets, reply: ConsumerRecord) -> None:
    source = dict(reply.headers).get(SOURCE) or b""
    topic, separator, offset = source.decode("utf-8", "replace").rpartition(":")
    if separator and offset.isdecimal():
        key = topic, reply.partition
        published[key] = max(published.get(key, -1), int(offset))
