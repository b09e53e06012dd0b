"""A worker to which most records look bad: it pauses, says so, and loses nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.end_to_end.centre import HELSINKI, Centre

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}]
projects: [{{project_id: spring, numbers: ["{HELSINKI}"]}}]
"""

WINDOW_RECORDS = 20


@pytest.fixture
async def centre(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    limit = {"OUTBOUND_DEAD_LETTER_WINDOW_RECORDS": str(WINDOW_RECORDS)}
    centre = Centre(kafka_bootstrap, redis_url, tmp_path, **limit)
    await centre.open(SETTINGS, partitions=2)
    yield centre
    await centre.close()


async def send_bad(centre: Centre, count: int) -> list[str]:
    """Requests that lack all but their call's id, in one partition; give the ids."""
    call_ids = [uuid4().hex for _ in range(count)]
    for call_id in call_ids:
        await centre.send("call-requested", json.dumps({"call_id": call_id}).encode(), b"bad", partition=0)
    return call_ids


async def ends(centre: Centre, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=centre.kafka_bootstrap)
    await consumer.start()
    try:
        parts = [TopicPartition(centre.topic(topic), index) for index in range(2)]
        return sum((await consumer.end_offsets(parts)).values())
    finally:
        await consumer.stop()


async def test_a_worker_past_the_limit_pauses_and_says_how_to_go_on(centre: Centre) -> None:
    worker = centre.workers[0]
    await send_bad(centre, WINDOW_RECORDS + 1)
    (line, *_) = await worker.logged("paused_by_dead_letters")
    assert (line["level"], line["limit"]) == ("error", f"50 % of {WINDOW_RECORDS} records")
    assert (line["topic"], line["partition"]) == (centre.topic("call-requested"), 0)
    assert "OUTBOUND_DEAD_LETTER_LIMIT_PERCENT" in line["mend"]
    status, body = await worker.get("/readyz")
    assert (status, json.loads(body)["dead_letters_within_limit"]) == (503, False)
    assert (await worker.get("/livez"))[0] == 200
    assert "outbound_paused 1.0" in (await worker.get("/metrics"))[1]
    assert await ends(centre, "dead-letters") <= WINDOW_RECORDS // 2
    assert await worker.stop() == 0
    assert "Traceback" not in worker.log.read_text()


async def test_a_worker_started_with_a_higher_limit_goes_on_and_nothing_is_lost(centre: Centre) -> None:
    bad = await send_bad(centre, WINDOW_RECORDS + 1)
    good = await centre.request("spring", "good")
    await centre.workers[0].logged("paused_by_dead_letters")
    assert await centre.workers[0].stop() == 0
    await centre.start_worker(OUTBOUND_DEAD_LETTER_LIMIT_PERCENT="100")
    await centre.reply(centre.contact("good"), good)
    for call_id in bad:
        await centre.reply(None, call_id)
    assert await ends(centre, "dead-letters") == len(bad)


async def test_a_paused_worker_lets_another_take_its_partitions(centre: Centre) -> None:
    bad = await send_bad(centre, WINDOW_RECORDS + 1)
    paused = centre.workers[0]
    await paused.logged("paused_by_dead_letters")
    other = await centre.start_worker(OUTBOUND_DEAD_LETTER_LIMIT_PERCENT="100")
    await other.holds(1)
    assert await paused.stop() == 0
    for call_id in bad:
        await centre.reply(None, call_id)


async def test_a_few_bad_records_at_the_start_pause_nothing(centre: Centre) -> None:
    await send_bad(centre, WINDOW_RECORDS // 2)
    assert (await centre.call("spring", "good"))["number"] == HELSINKI
    assert (await centre.workers[0].get("/readyz"))[0] == 200
