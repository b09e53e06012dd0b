"""The compacted settings topic: followed by every replica, read and written by the command line."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from worker.selection.routing import Routing
from worker.settings.fold import Fold
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end
from worker.stream.topics import require_topic
from worker.stream.unpacking import UnreadableBatch

PARTITION: Final = 0
"""The one partition that holds the settings, so that they have one order and one version."""

_LOADED_TOGETHER: Final = 1_000
"""Records that are read at once at the start: of 20,000 small ones a fetch holds 8,000, 5 MB once they are read."""

_POLL_MS: Final = 200
_UNREADABLE_RETRY_S: Final = 10.0

log = structlog.get_logger(__name__)


class SettingsFollower:
    """Folds the settings topic into memory: up to its end first, then as records come.

    A topic that was made anew is read anew from its beginning; until its end is reached, what was in force stays.
    """

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._tp = TopicPartition(topic, PARTITION)
        self._in_force = Fold()
        self._loaded = asyncio.Event()

    @property
    def is_loaded(self) -> bool:
        """Whether all records that the topic held at start are in force."""
        return self._loaded.is_set()

    @property
    def refusals(self) -> int:
        """Records that did not parse, and so changed nothing."""
        return self._in_force.refusals

    def routing(self) -> Routing:
        """The settings in force now: one immutable table, to be held for a whole batch."""
        return self._in_force.routing()

    async def loaded(self) -> None:
        """Wait until the settings that the topic held at start are in force."""
        await self._loaded.wait()

    async def follow(self) -> None:
        """Read the topic for ever. Cancel to stop. Raises aiokafka's `KafkaError`."""
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            consumer.assign([self._tp])
            while True:
                try:
                    await self._load(consumer)
                    await self._keep_up(consumer)
                except OffsetOutOfRangeError:
                    log.warning("settings_topic_made_anew")
        finally:
            await consumer.stop()

    async def _load(self, consumer: AIOKafkaConsumer) -> None:
        fold = Fold()
        consumer.seek(self._tp, (await consumer.beginning_offsets([self._tp]))[self._tp])
        end = (await consumer.end_offsets([self._tp]))[self._tp]
        while await consumer.position(self._tp) < end:
            await self._fold_next(consumer, fold, max_records=_LOADED_TOGETHER)
        fold.routing().compile()
        self._in_force = fold
        self._loaded.set()
        log.info("settings_loaded", version=fold.routing().version, refusals=fold.refusals)

    async def _keep_up(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            # All that has come, since the tables are built after it.
            if records := await self._fold_next(consumer, self._in_force):
                self.routing().compile()
                log.info("settings_changed", version=self.routing().version, records=records)

    async def _fold_next(self, consumer: AIOKafkaConsumer, fold: Fold, *, max_records: int | None = None) -> int:
        fetched = await consumer.getmany(self._tp, timeout_ms=_POLL_MS, max_records=max_records)
        records = fetched.get(self._tp, [])
        if records and isinstance(records[-1], UnreadableBatch):
            # What is in force stays; at the start there is nothing yet, and the worker waits, not ready.
            batch = records.pop()
            log.error("settings_unreadable", topic=batch.topic, offset=batch.offset, reason=batch.reason)
            await asyncio.sleep(_UNREADABLE_RETRY_S)
        for record in records:
            if refusal := fold.fold(record.offset, record.key, record.value):
                log.warning("settings_record_refused", offset=refusal.offset, key=refusal.key, reason=refusal.reason)
        return len(records)


async def read_settings(connection: KafkaConnection, topic: str) -> Fold:
    """Read the settings topic once, to its end. Raises `TopicMismatchError` and `KafkaUnavailableError`."""
    await require_topic(connection, topic)
    fold = Fold()
    try:
        async for record in read_to_end(connection, topic, (PARTITION,)):
            fold.fold(record.offset, record.key, record.value)
    except KafkaError as error:
        raise connection.unavailable(error) from error
    return fold


async def write_settings(connection: KafkaConnection, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Write settings records in order, `None` deleting a key. Raises `KafkaUnavailableError`.

    Returns when all of them are acknowledged; a failure half-way leaves the first of them written.
    """
    async with _producer(connection) as producer:
        acknowledgements = [
            await producer.send(topic, value, key.encode(), partition=PARTITION) for key, value in records
        ]
        await asyncio.gather(*acknowledgements)


@asynccontextmanager
async def _producer(connection: KafkaConnection) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**connection.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise connection.unavailable(error) from error
    finally:
        await producer.stop()
