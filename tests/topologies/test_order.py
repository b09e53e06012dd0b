"""An hour's backlog on both topics, one of them read slowly, and outcomes that cannot be read."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.events import CallOutcome, CallRequested
from tests.end_to_end.campaigns import SETTINGS
from tests.end_to_end.centre import HELSINKI, PATIENCE_S, TAMPERE, Centre, Worker
from tests.end_to_end.test_replicas import story
from tests.model import complaints_of_run
from tests.model.engine import SELECTION_KEY, Engine
from worker.settings.file import load

HOUR_EVENTS = 3_600
"""The story has one event a second."""

PADDING = "." * 20_000
"""In a field that the worker ignores: its fetches bring all requests of a partition at once, and few of these."""

DECIDED = ("type", "project_id", "number", "anonymous", "attempt", "rule", "trail", "reason")


@pytest.mark.parametrize("replicas", [1, 3])
async def test_an_hours_backlog_is_decided_as_if_the_worker_had_never_stopped(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path, replicas: int
) -> None:
    key = {"OUTBOUND_SELECTION_KEY": SELECTION_KEY.decode()}
    centre = Centre(kafka_bootstrap, redis_url, tmp_path, **key)
    try:
        await centre.open(SETTINGS, workers=0)
        events = list(chain(*story(centre)))[:HOUR_EVENTS]
        requests = [event for event in events if isinstance(event, CallRequested)]
        # The topics are written one after the other, so that only the timestamps tell the order of their records.
        await centre.send_portions([requests])
        await centre.send_portions([[_heavy(event) for event in events if isinstance(event, CallOutcome)]])
        workers = await asyncio.gather(*[centre.start_worker() for _ in range(replicas)])
        await centre.wait_until(lambda: centre.replies_read >= len(requests))
        assert [await waits_exceeded(worker) for worker in workers] == [0.0] * replicas
        for worker in workers:
            assert await worker.stop() == 0
        settings = load(tmp_path / "settings.yaml").records
        replies = {call: [record.value for record in records] for call, records in centre.replies.items()}
        assert complaints_of_run(settings, events, {(str(k), c): v for (k, c), v in replies.items()}) == []
        one_by_one = Engine(settings)
        for event in events:
            if isinstance(event, CallOutcome):
                one_by_one.outcome(event)
            else:
                expected = json.loads(one_by_one.request(event).model_dump_json())
                assert decided(json.loads(replies[event.contact_id, event.call_id][0])) == decided(expected)
    finally:
        await centre.close()


def _heavy(event: CallOutcome) -> CallOutcome:
    """The event as a newer dialer sends it: with a field more, and a large one."""
    return _Heavy(**event.model_dump(), recording=PADDING)


class _Heavy(CallOutcome):
    recording: str


def decided(reply: dict[str, Any]) -> dict[str, Any]:
    """What a decision says, without the version of the settings and the time."""
    return {name: reply[name] for name in DECIDED if name in reply}


async def waits_exceeded(worker: Worker) -> float:
    _, text = await worker.get("/metrics")
    [line] = [line for line in text.splitlines() if line.startswith("outbound_order_waits_exceeded_total")]
    return float(line.split()[1])


FOLLOWING = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}]
projects:
  - project_id: spring
    numbers: ["{HELSINKI}", "{TAMPERE}"]
    number_for_first_call: "{HELSINKI}"
    outcomes: {{busy: "{TAMPERE}", deal: "{HELSINKI}"}}
"""


@pytest.fixture
async def open_centre(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    await centre.open(FOLLOWING, partitions=1)
    yield centre
    await centre.close()


@pytest.fixture
async def transactional(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A dialer that writes in transactions."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=uuid4().hex)
    await producer.start()
    yield producer
    await producer.stop()


async def write_outcome(producer: AIOKafkaProducer, centre: Centre, call: dict[str, Any], outcome: str) -> None:
    event = {
        **{name: call[name] for name in ("call_id", "project_id", "contact_id")},
        "type": "call-outcome",
        "outcome": outcome,
        "occurred_at": call["requested_at"],
    }
    await producer.send_and_wait(centre.topic("call-outcome"), json.dumps(event).encode(), event["contact_id"].encode())


async def test_an_aborted_transaction_is_not_read_and_holds_nothing_up(
    open_centre: Centre, transactional: AIOKafkaProducer
) -> None:
    first = await open_centre.call("spring", "anna")
    async with transactional.transaction():
        await write_outcome(transactional, open_centre, first, "busy")
    await transactional.begin_transaction()
    await write_outcome(transactional, open_centre, first, "deal")
    await transactional.abort_transaction()
    second = await open_centre.call("spring", "anna")
    assert (second["rule"], second["number"]) == ("outcome_number", TAMPERE)
    # Its end of the log is now a marker, behind records that nobody may read.
    assert (await open_centre.call("spring", "bert"))["number"] == HELSINKI
    assert await waits_exceeded(open_centre.workers[0]) == 0


async def test_an_aborted_request_is_not_answered_and_holds_nothing_up(
    open_centre: Centre, transactional: AIOKafkaProducer
) -> None:
    asked = await open_centre.call("spring", "anna")
    request = {**{name: asked[name] for name in ("project_id", "phone", "requested_at")}, "type": "call-requested"}
    topic, contact = open_centre.topic("call-requested"), open_centre.contact("carl")
    await transactional.begin_transaction()
    aborted = json.dumps({**request, "call_id": "aborted", "contact_id": contact}).encode()
    await transactional.send_and_wait(topic, aborted, contact.encode())
    await transactional.abort_transaction()
    call_id = await open_centre.request("spring", "anna")
    await open_centre.outcome("spring", "anna", call_id, "busy")
    assert (await open_centre.call("spring", "anna"))["number"] == TAMPERE
    assert (contact, "aborted") not in open_centre.replies
    assert await waits_exceeded(open_centre.workers[0]) == 0


async def test_an_open_transaction_holds_up_outcomes_and_no_request(
    open_centre: Centre, transactional: AIOKafkaProducer
) -> None:
    first = await open_centre.call("spring", "anna")
    async with transactional.transaction():
        await write_outcome(transactional, open_centre, first, "busy")
        second = await open_centre.call("spring", "anna")  # the log that may be read ends before the transaction
        assert second["rule"] == "random"
        await write_outcome(transactional, open_centre, second, "busy")
    await readable(open_centre, outcomes=2)
    third = await open_centre.call("spring", "anna")
    assert (third["rule"], third["number"]) == ("outcome_number", TAMPERE)
    assert await waits_exceeded(open_centre.workers[0]) == 0


async def readable(centre: Centre, *, outcomes: int) -> None:
    """Wait until so many outcomes can be read: a commit is acknowledged before the partitions know of it."""
    consumer = AIOKafkaConsumer(
        centre.topic("call-outcome"),
        bootstrap_servers=centre.kafka_bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    async with asyncio.timeout(PATIENCE_S), consumer:
        for _ in range(outcomes):
            await consumer.getone()


async def test_requests_flow_and_are_counted_when_outcomes_cannot_be_read(open_centre: Centre) -> None:
    await open_centre.call("spring", "anna")
    admin = AdminClient({"bootstrap.servers": open_centre.kafka_bootstrap, "log_level": 0})
    topic = open_centre.topic("call-outcome")
    admin.delete_topics([topic])[topic].result(PATIENCE_S)
    calls = [await open_centre.call("spring", contact) for contact in ("anna", "bert", "carl")]
    [worker] = open_centre.workers
    assert await waits_exceeded(worker) == len(calls)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(PATIENCE_S)
    await open_centre.outcome("spring", "anna", calls[0]["call_id"], "busy")
    await worker.handled("outcomes", 1)
    again = await open_centre.call("spring", "anna")
    assert (again["rule"], again["number"]) == ("outcome_number", TAMPERE)
    assert await waits_exceeded(worker) == len(calls)
