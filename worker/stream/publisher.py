"""The producer's side: replies in request order, and dead letters."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas import headers
from worker.stream.connection import KafkaConnection
from worker.stream.records import DeadLetter, Outbox, OutgoingReply
from worker.stream.replies import published_offsets, source_of
from worker.stream.topics import CallTopics

_BATCH_BYTES: Final = 512 * 1024
"""Of one partition's replies per request to a broker: below the brokers' default limit of 1 MiB a batch."""

Headers = list[tuple[str, bytes]]


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
            max_batch_size=_BATCH_BYTES,
            max_request_size=self._max_request_size,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect. Nothing is waiting: `publish` returns when all is acknowledged."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, outbox: Outbox) -> None:
        """Publish all of the outbox; an entry leaves it when the brokers have acknowledged it.

        Raises the first `KafkaError`. What is left in the outbox then may or may not be in the log: a second
        call reads in the log which replies are, and sends the others with a new producer, since a failed record
        breaks the sequence of an idempotent one.
        """
        if self._producer is None:
            await self.start()
            await self._drop_published(outbox)
        try:
            await self._publish_dead_letters(outbox)
            await self._publish_replies(outbox)
        except KafkaError:
            await self.stop()
            raise

    async def _drop_published(self, outbox: Outbox) -> None:
        published = await published_offsets(
            self._connection,
            self._topics.number_assigned,
            {reply.request.partition for reply in outbox.replies},
        )
        outbox.replies = [
            reply
            for reply in outbox.replies
            if reply.request.offset > published.get((reply.request.topic, reply.request.partition), -1)
        ]

    async def _publish_replies(self, outbox: Outbox) -> None:
        by_partition: defaultdict[int, list[OutgoingReply]] = defaultdict(list)
        for reply in outbox.replies:
            by_partition[reply.request.partition].append(reply)
        results = await asyncio.gather(
            *(self._publish_partition(index, replies) for index, replies in by_partition.items()),
            return_exceptions=True,
        )
        left, errors = [], []
        for replies, error in zip(by_partition.values(), results, strict=True):
            if error is not None:
                left += replies
                errors.append(error)
        outbox.replies = left
        for error in errors:
            raise error

    async def _publish_partition(self, index: int, replies: Sequence[OutgoingReply]) -> None:
        producer = self._producer
        assert producer is not None  # noqa: S101 - for the type checker: publish() started it
        acknowledgements: list[Awaitable[object]] = []
        batch = producer.create_batch()

        async def send() -> None:
            batch.close()
            acknowledgements.append(await producer.send_batch(batch, self._topics.number_assigned, partition=index))

        for request, key, value in replies:
            record = {
                "timestamp": None,
                "key": key,
                "value": value,
                "headers": [(headers.SOURCE, source_of(request.topic, request.offset))],
            }
            if batch.append(**record) is None:
                await send()
                batch = producer.create_batch()
                batch.append(**record)  # the first of a batch always fits
        await send()
        await asyncio.gather(*acknowledgements)

    async def _publish_dead_letters(self, outbox: Outbox) -> None:
        while outbox.dead_letters:
            await self._publish_dead_letter(outbox.dead_letters[0])
            outbox.dead_letters.pop(0)

    async def _publish_dead_letter(self, letter: DeadLetter) -> None:
        producer = self._producer
        assert producer is not None  # noqa: S101 - for the type checker: publish() started it
        partitions = sorted(await producer.partitions_for(self._topics.dead_letters))
        partition = partitions[letter.record.partition % len(partitions)]
        for key, value, described in _forms(letter):
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=described)
            batch.close()
            if batch.size() <= self._max_request_size:
                break
        await (await producer.send_batch(batch, self._topics.dead_letters, partition=partition))


def _forms(letter: DeadLetter) -> Iterator[tuple[bytes | None, bytes | None, Headers]]:
    """A dead letter as it should be, and in forms that are smaller and smaller.

    The record was within the limit when it came; the headers that say why it is here may push it over.
    """
    record, errors = letter.record, _errors(letter)
    omitted = (headers.VALUE_OMITTED, b"%d bytes" % len(record.value or b""))
    yield record.key, record.value, [*record.headers, *errors]
    yield record.key, None, [*record.headers, *errors, omitted]
    yield None, None, [*errors, omitted]


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
