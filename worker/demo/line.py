"""The dialer's side of Kafka: events out, replies in. What a real dialer needs is no more than this."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import RecordMetadata

_POLL_MS: Final = 500
_BATCH_BYTES: Final = 256 * 1024
_FETCH_WAIT_MS: Final = 20
"""The embedded broker answers a fetch that found nothing when this is over, not when a record comes."""


class Line:
    """A producer of events and a consumer of replies."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer

    async def post(self, topic: str, contact_id: str, value: bytes) -> Awaitable[RecordMetadata]:
        """Hand an event over, to be sent after all that were handed over before.

        The result, awaited, is where the broker put it. Both raise aiokafka's `KafkaError`.
        """
        acknowledgement: Awaitable[RecordMetadata] = await self._producer.send(topic, value, contact_id.encode())
        return acknowledgement

    async def replies(self) -> AsyncIterator[bytes]:
        """Every reply from the first on, each contact's in order, for ever."""
        while True:
            for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    yield record.value


@asynccontextmanager
async def open_line(bootstrap: str, number_assigned: str) -> AsyncIterator[Line]:
    """Connect as a dialer does. Raises aiokafka's `KafkaError`."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=_BATCH_BYTES
    )
    consumer = AIOKafkaConsumer(
        number_assigned,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    try:
        await producer.start()
        await consumer.start()
        yield Line(producer, consumer)
    finally:
        await consumer.stop()
        await producer.stop()
