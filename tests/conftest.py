"""What tests share: a real Kafka and a real Redis, started when the first test asks for them."""

from collections.abc import Iterator
from dataclasses import fields
from urllib.parse import urlsplit
from uuid import uuid4

import hypothesis
import pytest
from redis import Redis

from tests.services import kafka, redis
from worker.stream.connection import KafkaConnection
from worker.stream.topics import CALL_RETENTION_DAYS, CallTopics, create_topics, wanted_topics

# No test depends on how long anything takes.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

PARTITIONS = 12

CLEAN_DATABASE = 15
"""Of the shared Redis; the others are for tests that keep to names of their own."""


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a broker that creates no topic by itself."""
    with kafka.kafka_bootstrap() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis that tests share: keep to keys of your own."""
    with redis.redis_url() as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The address of a Redis Cluster of three that tests share: keep to keys of your own."""
    with redis.redis_cluster() as cluster:
        yield cluster.url


@pytest.fixture
async def topics(kafka_bootstrap: str) -> CallTopics:
    """Topics of the test's own, as `topics create` makes them: twelve partitions, the settings one."""
    prefix = f"t{uuid4().hex[:8]}"
    topics = CallTopics(**{field.name: f"{prefix}-{field.name.replace('_', '-')}" for field in fields(CallTopics)})
    wanted = wanted_topics(topics, partitions=PARTITIONS, retention_days=CALL_RETENTION_DAYS)
    await create_topics(KafkaConnection(bootstrap=kafka_bootstrap), wanted, replication_factor=1)
    return topics


@pytest.fixture
def clean_redis_url(redis_url: str) -> str:
    """The address of a database that is empty when the test begins."""
    url = urlsplit(redis_url)._replace(path=f"/{CLEAN_DATABASE}").geturl()
    with Redis.from_url(url) as client:
        client.flushdb()
    return url
