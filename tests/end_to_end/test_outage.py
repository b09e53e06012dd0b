"""Redis or Kafka away under a running worker: waited out, or left in good order."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.centre import HELSINKI, Centre
from tests.services.kafka import KafkaServer, kafka_server
from tests.services.redis import RedisServer, redis_server

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}]
projects: [{{project_id: spring, numbers: ["{HELSINKI}"]}}]
"""


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    with redis_server(keeps_data=True) as server:
        yield server


@pytest.fixture
async def centre(kafka_bootstrap: str, redis: RedisServer, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis.url, tmp_path)
    await centre.open(SETTINGS, partitions=2)
    yield centre
    await centre.close()


async def test_an_outage_is_waited_out_and_its_calls_are_answered(centre: Centre, redis: RedisServer) -> None:
    worker = centre.workers[0]
    await centre.call("spring", "before")
    redis.stop()
    call_id = await centre.request("spring", "during")
    await worker.logged("stamina.retry_scheduled")
    status, body = await worker.get("/readyz")
    assert (status, json.loads(body)["redis"]) == (503, False)
    assert (await worker.get("/livez"))[0] == 200
    redis.start()
    await centre.reply(centre.contact("during"), call_id)
    assert worker.process.returncode is None


async def test_a_worker_told_to_stop_in_an_outage_leaves_without_a_commit_and_fails(
    centre: Centre, redis: RedisServer
) -> None:
    worker = centre.workers[0]
    await centre.call("spring", "before")
    redis.stop()
    call_id = await centre.request("spring", "during")
    await worker.logged("stamina.retry_scheduled")
    assert await worker.stop() == 1
    assert "could not be finished" in worker.log.read_text()
    assert "Traceback" not in worker.log.read_text()
    redis.start()
    await centre.start_worker()
    await centre.reply(centre.contact("during"), call_id)
    assert {len(replies) for replies in centre.replies.values()} == {1}


@pytest.fixture
async def kafka() -> AsyncIterator[KafkaServer]:
    with kafka_server() as server:
        yield server


@pytest.fixture
async def centre_of_own_kafka(kafka: KafkaServer, redis_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka.bootstrap, redis_url, tmp_path)
    await centre.open(SETTINGS, partitions=2)
    yield centre
    await centre.close()


async def test_a_kafka_that_crashes_and_comes_back_is_waited_for(
    centre_of_own_kafka: Centre, kafka: KafkaServer
) -> None:
    centre, worker = centre_of_own_kafka, centre_of_own_kafka.workers[0]
    await centre.call("spring", "before")
    kafka.kill()
    status, body = await worker.get("/readyz")
    assert (status, json.loads(body)["kafka"]) == (503, False)
    assert (await worker.get("/livez"))[0] == 200
    kafka.start()
    assert (await centre.call("spring", "after"))["number"] == HELSINKI
    assert worker.process.returncode is None


async def test_an_idle_worker_told_to_stop_while_kafka_is_away_ends_in_good_order(
    centre_of_own_kafka: Centre, kafka: KafkaServer
) -> None:
    centre, worker = centre_of_own_kafka, centre_of_own_kafka.workers[0]
    await centre.call("spring", "before")
    await centre.settled()  # nothing is in hand, and all is committed
    kafka.kill()
    assert await worker.stop() == 0
    assert "Traceback" not in worker.log.read_text()
    assert await worker.logged("worker_stopped")
    kafka.start()  # for the centre's own clients, which close then
