"""The producer's side: replies in request order, and dead letters."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from schemas import headers
from worker.stream.connection import KafkaConnection
from worker.stream.packing import BATCH_BYTES, AnyKeyBatch, Packed, send_in_batches
from worker.stream.records import DeadLetter, Outbox, OutgoingReply
from worker.stream.replies import TAIL_RECORDS, published_replies, source_of
from worker.stream.topics import CallTopics
from worker.stream.unpacking import key_bytes

_OVERHEAD_BYTES: Final = 128
"""At most what a batch of one record takes beside keys, values and headers (KIP-98: 61 for the batch, varints)."""

_HEADER_OVERHEAD_BYTES: Final = 10

Headers = list[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """A record to be sent."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """At most the size of a batch that holds this record alone."""
        headers_bytes = sum(
            len(key_bytes(name)) + len(value or b"") + _HEADER_OVERHEAD_BYTES for name, value in self.headers
        )
        return len(self.key or b"") + len(self.value or b"") + headers_bytes + _OVERHEAD_BYTES


class Publisher:
    """An idempotent producer that counts a record as published when all in-sync replicas have it."""

    def __init__(self, connection: KafkaConnection, topics: CallTopics, *, max_request_size: int) -> None:
        self._connection = connection
        self._topics = topics
        self._max_request_size = max_request_size
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's `KafkaError` if no broker answers."""
        producer = AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=self._max_request_size,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect. Nothing is waiting: `publish` returns when all is acknowledged."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, outbox: Outbox) -> dict[int, int]:
        """Publish all of the outbox; an entry leaves it when the brokers have acknowledged it.

        Gives the offsets that follow what was sent, by index of the output partitions, where the brokers said so.

        Raises the first `KafkaError`. What is left in the outbox then may or may not be in the log: a second
        call reads in the log which replies are, and sends the others with a new producer, since a failed record
        breaks the sequence of an idempotent one.
        """
        try:
            if self._producer is None:
                await self.start()
                await self._drop_published(outbox)
            await self._publish_dead_letters(outbox)
            return await self._publish_replies(outbox)
        except KafkaError:
            await self.stop()
            raise

    async def _drop_published(self, outbox: Outbox) -> None:
        indexes = {reply.request.partition for reply in outbox.replies}
        last = TAIL_RECORDS + len(outbox.replies)
        published = await published_replies(self._connection, self._topics.number_assigned, indexes, last=last)
        outbox.replies = [reply for reply in outbox.replies if (source_of(reply.request), reply.value) not in published]

    async def _publish_replies(self, outbox: Outbox) -> dict[int, int]:
        by_partition: defaultdict[int, list[OutgoingReply]] = defaultdict(list)
        for reply in outbox.replies:
            by_partition[reply.request.partition].append(reply)
        results = await asyncio.gather(
            *(
                self._publish_partition(
                    self._topics.number_assigned, index, map(reply_record, replies), self._running.create_batch
                )
                for index, replies in by_partition.items()
            ),
            return_exceptions=True,
        )
        left: list[OutgoingReply] = []
        errors: list[BaseException] = []
        ends: dict[int, int] = {}
        for (index, replies), result in zip(by_partition.items(), results, strict=True):
            if isinstance(result, BaseException):
                left += replies
                errors.append(result)
            elif result is not None:
                ends[index] = result
        outbox.replies = left
        for error in errors:
            raise error
        return ends

    async def _publish_dead_letters(self, outbox: Outbox) -> None:
        if not outbox.dead_letters:
            return
        count = len(await self._partitions(self._topics.dead_letters))
        by_partition: defaultdict[int, list[Outgoing]] = defaultdict(list)
        for letter in outbox.dead_letters:
            by_partition[letter.record.partition % count].append(fitting(letter, self._max_request_size))
        await asyncio.gather(
            *(
                self._publish_partition(self._topics.dead_letters, index, records, AnyKeyBatch)
                for index, records in by_partition.items()
            )
        )
        outbox.dead_letters = []

    async def _publish_partition(
        self, topic: str, index: int, records: Iterable[Packed], create_batch: Callable[[], Any]
    ) -> int | None:
        """Send the records to a partition that the producer knows; see `send_in_batches`."""
        producer = self._running
        if index not in await self._partitions(topic):
            # The partition was added a moment ago, and the producer has yet to hear of it.
            await producer.client.force_metadata_update()
            raise UnknownTopicOrPartitionError(f"{topic} has no partition {index} yet")
        return await send_in_batches(producer, topic, index, records, create_batch)

    async def _partitions(self, topic: str) -> Collection[int]:
        partitions: Collection[int] = await self._running.partitions_for(topic)
        return partitions

    @property
    def _running(self) -> AIOKafkaProducer:
        assert self._producer is not None  # noqa: S101 - for the type checker: publish() starts it
        return self._producer


def reply_record(reply: OutgoingReply) -> tuple[bytes | None, bytes, Headers]:
    """The reply as it is sent: its key, value and headers. Not by name, which takes 0.2 µs longer."""
    return reply.key, reply.value, [(headers.SOURCE, source_of(reply.request))]


def fitting(letter: DeadLetter, max_bytes: int) -> Outgoing:
    """The dead letter as it should be, or in the first of its smaller forms that the brokers will take."""
    *forms, least = _forms(letter)
    return next((form for form in forms if form.size_bytes <= max_bytes), least)


def _forms(letter: DeadLetter) -> Iterator[Outgoing]:
    """A dead letter as it should be, and in forms that are smaller and smaller.

    The record was within the limit when it came; the headers that say why it is here may push it over.
    """
    record, errors = letter.record, _errors(letter)
    omitted = (headers.VALUE_OMITTED, b"%d bytes" % len(record.value or b""))
    yield Outgoing(record.key, record.value, [*record.headers, *errors])
    yield Outgoing(record.key, None, [*record.headers, *errors, omitted])
    yield Outgoing(None, None, [*errors, omitted])


def _errors(letter: DeadLetter) -> Headers:
    record = letter.record
    return [
        (headers.ERROR_TOPIC, record.topic.encode()),
        (headers.ERROR_PARTITION, b"%d" % record.partition),
        (headers.ERROR_OFFSET, b"%d" % record.offset),
        (headers.ERROR_STAGE, letter.stage.encode()),
        (headers.ERROR_CLASS, letter.error.encode()),
        (headers.ERROR_MESSAGE, letter.message.encode("utf-8", "replace")),
    ]
