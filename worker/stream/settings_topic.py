"""The compacted settings topic: followed by every replica, read and written by the command line."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from worker.selection.routing import Routing
from worker.settings.fold import Fold
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end

PARTITION: Final = 0
"""The one partition that holds the settings, so that they have one order and one version."""

_POLL_MS: Final = 200

log = structlog.get_logger(__name__)


class SettingsFollower:
    """Folds the settings topic into memory, up to its end first, then as records come."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._tp = TopicPartition(topic, PARTITION)
        self._fold = Fold()
        self._loaded = asyncio.Event()
        self._consumer = AIOKafkaConsumer(
            **connection.client_options(), enable_auto_commit=False, isolation_level="read_committed"
        )

    @property
    def is_loaded(self) -> bool:
        """Whether all records that the topic held at start are in force."""
        return self._loaded.is_set()

    @property
    def refusals(self) -> int:
        """Records that did not parse, and so changed nothing."""
        return self._fold.refusals

    def routing(self) -> Routing:
        """The settings in force now: one immutable table, to be held for a whole batch."""
        return self._fold.routing()

    async def loaded(self) -> None:
        """Wait until the settings that the topic held at start are in force."""
        await self._loaded.wait()

    async def follow(self) -> None:
        """Read the topic for ever. Cancel to stop. Raises aiokafka's `KafkaError`."""
        await self._consumer.start()
        try:
            self._consumer.assign([self._tp])
            self._consumer.seek(self._tp, (await self._consumer.beginning_offsets([self._tp]))[self._tp])
            end = (await self._consumer.end_offsets([self._tp]))[self._tp]
            while True:
                if not self.is_loaded and await self._consumer.position(self._tp) >= end:
                    self._loaded.set()
                    log.info("settings_loaded", version=self.routing().version, refusals=self.refusals)
                await self._fold_next()
        finally:
            await self._consumer.stop()

    async def _fold_next(self) -> None:
        fetched = await self._consumer.getmany(self._tp, timeout_ms=_POLL_MS)
        records = fetched.get(self._tp, [])
        for record in records:
            if refusal := self._fold.fold(record.offset, record.key, record.value):
                log.warning("settings_record_refused", offset=refusal.offset, key=refusal.key, reason=refusal.reason)
        if records and self.is_loaded:
            log.info("settings_changed", version=self.routing().version, records=len(records))


async def read_settings(connection: KafkaConnection, topic: str) -> Fold:
    """Read the settings topic once, to its end. Raises `KafkaUnavailableError`."""
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
