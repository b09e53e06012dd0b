"""What a worker holds in memory before a backlog, and while Redis hangs or Kafka does not take its replies."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.conftest import PARTITIONS
from tests.end_to_end.centre import PATIENCE_S, Centre, Worker
from tests.services.program import ChildProcess
from tests.services.redis import RedisServer, redis_server
from tests.topologies.backlog import LIMIT_KB, SETTINGS, resident_kb, write_backlog

REQUESTS = 30_000

BACKLOG_REQUESTS = 200_000
"""With their outcomes 300,000 records: without bounds on what is fetched and decoded they take more than the limit."""

STILL = 6
"""Readings of the lag in a row that must agree."""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def centre(kafka_bootstrap: str, redis: RedisServer, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis.url, tmp_path)
    await centre.open(SETTINGS, workers=0)
    yield centre
    await centre.close()


def assert_within_bounds(worker: Worker) -> None:
    _, most_kb = resident_kb(worker.process.pid)
    assert most_kb < LIMIT_KB


@pytest.mark.parametrize("compression", ["none", "zstd"])
async def test_a_backlog_is_worked_off_within_bounds(centre: Centre, compression: str) -> None:
    write_backlog(centre, BACKLOG_REQUESTS, compression=compression)
    worker = await centre.start_worker()
    await centre.wait_until(lambda: centre.replies_read >= BACKLOG_REQUESTS)
    assert_within_bounds(worker)


async def test_while_redis_hangs_intake_stands_still_and_goes_on_after(centre: Centre, redis: RedisServer) -> None:
    if not isinstance(redis.program, ChildProcess):
        pytest.skip("the server in a container is no process of ours to be stopped")
    worker = await centre.start_worker()
    redis.program.send_signal(signal.SIGSTOP)
    try:
        write_backlog(centre, REQUESTS)
        await assert_intake_stands_still(worker)
        assert centre.replies_read == 0
    finally:
        redis.program.send_signal(signal.SIGCONT)
    await centre.wait_until(lambda: centre.replies_read >= REQUESTS)
    assert_within_bounds(worker)
    assert all(len(replies) == 1 for replies in centre.replies.values())


async def test_while_replies_are_refused_intake_stands_still_and_goes_on_after(centre: Centre) -> None:
    worker = await centre.start_worker()
    admin = AdminClient({"bootstrap.servers": centre.kafka_bootstrap, "log_level": 0})
    topic = centre.topic("number-assigned")
    admin.delete_topics([topic])[topic].result(PATIENCE_S)
    write_backlog(centre, REQUESTS)
    await assert_intake_stands_still(worker)
    assert centre.replies_read == 0
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(PATIENCE_S)
    await centre.wait_until(lambda: centre.replies_read >= REQUESTS)
    assert_within_bounds(worker)
    assert all(len(replies) == 1 for replies in centre.replies.values())


async def assert_intake_stands_still(worker: Worker) -> None:
    """Wait until nothing is taken in any more: the lag, as of the latest fetches, is the same in a row of readings."""
    async with asyncio.timeout(PATIENCE_S):
        readings = [await lag_of(worker)]
        while len(readings) < STILL or len(set(readings[-STILL:])) > 1 or not readings[-1]:
            await asyncio.sleep(0.5)
            readings.append(await lag_of(worker))
    assert_within_bounds(worker)


async def lag_of(worker: Worker) -> float:
    _, text = await worker.get("/metrics")
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("outbound_lag_records{"))
