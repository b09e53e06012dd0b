"""Creating and checking topics on a real Kafka."""

from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from worker.stream.connection import KafkaConnection, KafkaUnavailableError
from worker.stream.topics import CallTopics, TopicMismatchError, create_topics, require_topics, wanted_topics


@pytest.fixture
def connection(kafka_bootstrap: str) -> KafkaConnection:
    return KafkaConnection(bootstrap=kafka_bootstrap)


@pytest.fixture
def names() -> CallTopics:
    prefix = uuid4().hex[:8]
    return CallTopics(
        call_requested=f"{prefix}-call-requested",
        call_outcome=f"{prefix}-call-outcome",
        number_assigned=f"{prefix}-number-assigned",
        routing_settings=f"{prefix}-routing-settings",
        dead_letters=f"{prefix}-dead-letters",
    )


async def create(connection: KafkaConnection, names: CallTopics, partitions: int = 3) -> list[str]:
    wanted = wanted_topics(names, partitions=partitions, retention_days=90)
    return await create_topics(connection, wanted, replication_factor=1)


async def test_missing_topics_are_created_and_then_left_alone(connection: KafkaConnection, names: CallTopics) -> None:
    created = await create(connection, names)
    assert set(created) == {
        names.call_requested,
        names.call_outcome,
        names.number_assigned,
        names.routing_settings,
        names.dead_letters,
    }
    assert await create(connection, names) == []
    assert await require_topics(connection, names) == 3


async def test_the_settings_are_compacted_in_one_partition_and_calls_kept_for_90_days(
    connection: KafkaConnection, names: CallTopics
) -> None:
    await create(connection, names)
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap)
    await admin.start()
    try:
        (response,) = await admin.describe_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, names.routing_settings),
                ConfigResource(ConfigResourceType.TOPIC, names.number_assigned),
            ]
        )
        found = {resource[3]: {entry[0]: entry[1] for entry in resource[4]} for resource in response.resources}
        (settings,) = await admin.describe_topics([names.routing_settings])
    finally:
        await admin.close()
    assert found[names.routing_settings]["cleanup.policy"] == "compact"
    assert len(settings["partitions"]) == 1
    assert found[names.number_assigned]["retention.ms"] == str(90 * 24 * 3600 * 1000)


async def test_a_mismatch_is_refused_before_anything_is_created(connection: KafkaConnection, names: CallTopics) -> None:
    await create(connection, names, partitions=3)
    more = replace(names, call_outcome=f"{names.call_outcome}-2")
    with pytest.raises(TopicMismatchError, match=f"{names.call_requested} exists with 3 partitions, and 6"):
        await create(connection, more, partitions=6)
    consumer = AIOKafkaConsumer(bootstrap_servers=connection.bootstrap)
    await consumer.start()
    try:
        assert more.call_outcome not in await consumer.topics()
    finally:
        await consumer.stop()


async def test_a_topic_of_another_kind_is_refused(connection: KafkaConnection, names: CallTopics) -> None:
    await create(connection, names, partitions=1)
    swapped = replace(names, routing_settings=names.dead_letters, dead_letters=names.routing_settings)
    with pytest.raises(TopicMismatchError, match=f"{names.dead_letters} exists with cleanup.policy=delete, and needs"):
        await create(connection, swapped, partitions=1)


async def test_a_worker_asks_for_call_topics_alike(connection: KafkaConnection, names: CallTopics) -> None:
    await create(connection, names, partitions=3)
    wider = replace(names, call_outcome=f"{names.call_outcome}-wide")
    await create(
        connection,
        replace(
            wider,
            call_requested=f"{names.call_requested}-wide",
            number_assigned=f"{names.number_assigned}-wide",
            dead_letters=f"{names.dead_letters}-wide",
        ),
        partitions=4,
    )
    with pytest.raises(TopicMismatchError, match="same number of partitions"):
        await require_topics(connection, wider)


async def test_missing_topics_are_named(connection: KafkaConnection, names: CallTopics) -> None:
    with pytest.raises(TopicMismatchError, match=names.dead_letters):
        await require_topics(connection, names)


async def test_brokers_that_are_not_there_are_named() -> None:
    with pytest.raises(KafkaUnavailableError, match="localhost:1"):
        await require_topics(KafkaConnection(bootstrap="localhost:1"), CallTopics())


async def test_more_replicas_than_brokers_are_refused_by_name(connection: KafkaConnection, names: CallTopics) -> None:
    wanted = wanted_topics(names, partitions=1, retention_days=1)
    with pytest.raises(KafkaUnavailableError, match=names.call_requested):
        await create_topics(connection, wanted, replication_factor=9)
