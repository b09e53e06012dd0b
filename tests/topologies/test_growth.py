"""Twelve partitions grown to twenty-four under a running worker: no state moves, and contacts keep their history."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from tests.end_to_end.campaigns import SETTINGS
from tests.end_to_end.centre import PATIENCE_S, Centre
from tests.topologies.rounds import Rounds

BEFORE, AFTER = 12, 24

STEPS = ("dead-letters", "number-assigned", "call-outcome", "call-requested")
"""The order of the documentation: what is written before what is read."""


@pytest.fixture
async def rounds(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Rounds]:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    await centre.open(SETTINGS, workers=2, partitions=BEFORE)
    yield Rounds(centre)
    await centre.close()


def grow(centre: Centre, *topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": centre.kafka_bootstrap, "log_level": 0})
    for name in map(centre.topic, topics):
        admin.create_partitions([NewPartitions(name, AFTER)])[name].result(PATIENCE_S)


async def partitions_of_requests(centre: Centre) -> dict[str, int]:
    """The partition of each request in the log, by call id."""
    consumer = AIOKafkaConsumer(
        centre.topic("call-requested"), bootstrap_servers=centre.kafka_bootstrap, auto_offset_reset="earliest"
    )
    async with asyncio.timeout(PATIENCE_S), consumer:
        missing = sum((await consumer.end_offsets(consumer.assignment())).values())
        records = [await consumer.getone() for _ in range(missing)]
    return {json.loads(record.value)["call_id"]: record.partition for record in records}


async def assert_replies_are_where_the_requests_are(centre: Centre) -> None:
    asked = await partitions_of_requests(centre)
    assert {call_id: records[0].partition for (_, call_id), records in centre.replies.items()} == asked
    assert max(asked.values()) >= BEFORE


async def test_partitions_grow_under_traffic_and_contacts_keep_their_history(rounds: Rounds) -> None:
    centre = rounds.centre
    await rounds.round()
    async with rounds.passers_by():
        grow(centre, *STEPS)
        for topic in STEPS:
            await centre.dialer_knows(topic, AFTER)
    await rounds.round()
    await rounds.round()
    await assert_replies_are_where_the_requests_are(centre)
    await rounds.judge()


async def test_requests_grown_first_wait_for_the_other_topics_and_are_answered_then(rounds: Rounds) -> None:
    centre = rounds.centre
    await rounds.round()
    grow(centre, "call-requested")
    await centre.dialer_knows("call-requested", AFTER)
    next_round = asyncio.create_task(rounds.round())
    async with asyncio.timeout(PATIENCE_S):
        while not any(AFTER - 1 in line.get("partitions", ()) for w in centre.workers for line in w.log_lines()):
            await asyncio.sleep(0.05)
    assert not next_round.done()  # nothing is refused, and nothing is answered anywhere else
    grow(centre, "call-outcome", "dead-letters", "number-assigned")
    await centre.dialer_knows("call-outcome", AFTER)
    await next_round
    await rounds.round()
    await assert_replies_are_where_the_requests_are(centre)
    # While the topics differed an outcome and the next request were in different partitions, so what the outcome led
    # to is open. That each call was answered once and counted once is not.
    attempts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for records in centre.replies.values():
        [reply] = [json.loads(record.value) for record in records]
        attempts[reply["contact_id"], reply["project_id"]].append(reply["attempt"])
    assert {tuple(sorted(each)) for each in attempts.values()} == {(1, 2, 3)}
