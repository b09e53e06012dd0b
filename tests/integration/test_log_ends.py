"""Where logs end, as a real Kafka tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.services.kafka import kafka_server
from worker.stream.connection import KafkaConnection
from worker.stream.log_ends import LogEnds
from worker.stream.topics import CallTopics, create_topics, wanted_topics


@asynccontextmanager
async def reading(bootstrap: str, topics: CallTopics) -> AsyncIterator[tuple[AIOKafkaConsumer, LogEnds]]:
    consumer = AIOKafkaConsumer(*topics.inputs, bootstrap_servers=bootstrap, fetch_max_wait_ms=30_000)
    await consumer.start()
    try:
        yield consumer, LogEnds(consumer._client)  # noqa: SLF001 - as the intake does
    finally:
        await consumer.stop()


async def write(bootstrap: str, topic: str, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for _ in range(count):
        await producer.send_and_wait(topic, b"{}", partition=0)
    await producer.stop()


async def test_ends_of_several_topics_are_told_while_a_fetch_is_held(kafka_bootstrap: str, topics: CallTopics) -> None:
    requested, ended = (TopicPartition(topic, 0) for topic in (topics.call_requested, topics.call_outcome))
    async with reading(kafka_bootstrap, topics) as (consumer, ends):
        held = asyncio.create_task(consumer.getone())  # nothing comes for half a minute
        await asyncio.sleep(0)
        assert await ends.of([requested, ended]) == {requested: 0, ended: 0}
        assert not held.done()
        held.cancel()
        await write(kafka_bootstrap, topics.call_outcome, 3)
        assert await ends.of([ended, requested]) == {requested: 0, ended: 3}


async def test_ends_are_told_again_once_kafka_is_back() -> None:
    with kafka_server() as server:
        topics = CallTopics()
        wanted = wanted_topics(topics, partitions=1, retention_days=1)
        await create_topics(KafkaConnection(bootstrap=server.bootstrap), wanted, replication_factor=1)
        tp = TopicPartition(topics.call_outcome, 0)
        async with reading(server.bootstrap, topics) as (_, ends):
            assert await ends.of([tp]) == {tp: 0}
            server.stop()
            with pytest.raises(KafkaError):
                await ends.of([tp])
            server.start()
            await write(server.bootstrap, tp.topic, 2)
            assert await ends.of([tp]) == {tp: 2}
