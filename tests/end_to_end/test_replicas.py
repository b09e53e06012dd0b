"""Three replicas at one backlog that joins, leaves and repeats, judged by the independent model."""

import asyncio
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.events import CallOutcome, CallRequested
from tests.end_to_end.campaigns import AGENTS, NUMBERS, OUTCOMES, PHONES, PROJECTS, RETIRED, SETTINGS
from tests.end_to_end.centre import Centre, Worker
from tests.model import complaints_of_run
from worker.settings.file import load

EVENTS, PORTION, CONTACTS = 12_000, 300, 1_500
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def story(centre: Centre) -> list[list[CallRequested | CallOutcome]]:
    """A day of a dialer, in portions: first outcomes, then twice as many requests.

    Calls are asked for twice, outcomes come late, early and never. Each portion is to be written when the one before
    is in the log, so that the order of the record timestamps is that of the log, whoever reads it when.
    """
    chance = random.Random(20_261_124)  # noqa: S311 - a test's story, not a secret
    calls: list[tuple[str, str, str]] = [("first", centre.contact("0"), "call-0")]
    portions: list[list[CallRequested | CallOutcome]] = []
    at = START
    for first in range(0, EVENTS, PORTION):
        outcomes: list[CallRequested | CallOutcome] = []
        requests: list[CallRequested | CallOutcome] = []
        for n in range(first, first + PORTION // 3):
            at += timedelta(seconds=1)
            outcomes.append(_outcome(chance, chance.choice(calls[-CONTACTS:]), n, at))
        for n in range(first + PORTION // 3, first + PORTION):
            at += timedelta(seconds=1)
            call = chance.choice(PROJECTS), centre.contact(str(chance.randrange(CONTACTS))), f"call-{n}"
            if chance.random() < 0.03:
                call = chance.choice(calls[-50:])
            calls.append(call)
            requests.append(_request(chance, call, at))
        portions += [outcomes, requests]
    return portions


def _outcome(chance: random.Random, call: tuple[str, str, str], n: int, at: datetime) -> CallOutcome:
    project, contact, call_id = call
    if chance.random() < 0.05:
        call_id = f"call-{n + PORTION // 3 + chance.randrange(40)}"  # of a call to come, or of none
    return CallOutcome(
        type="call-outcome",
        call_id=call_id,
        project_id=project,
        contact_id=contact,
        outcome=chance.choice(OUTCOMES),
        next_number=chance.choice((*NUMBERS, RETIRED)) if chance.random() < 0.2 else None,
        occurred_at=at,
    )


def _request(chance: random.Random, call: tuple[str, str, str], at: datetime) -> CallRequested:
    project, contact, call_id = call
    return CallRequested(
        type="call-requested",
        call_id=call_id,
        project_id=project,
        contact_id=contact,
        phone=chance.choice(PHONES),
        agent_id=chance.choice(AGENTS),
        requested_at=at,
    )


def handled(worker: Worker) -> int:
    """Records that the worker's log says it handled."""
    return sum(line.get("records", 0) for line in worker.log_lines() if line["event"] == "batch")


async def test_every_request_gets_one_admissible_reply_from_three_replicas_that_come_and_go(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    try:
        await centre.open(SETTINGS, workers=0)
        portions = story(centre)
        backlog, live, rest = portions[:20], portions[20:50], portions[50:]
        await centre.send_portions(backlog)
        workers = await asyncio.gather(*[centre.start_worker() for _ in range(3)])
        await asyncio.gather(*[worker.holds(partitions=4) for worker in workers])
        await centre.send_portions(live)
        await asyncio.gather(*[worker.logged("batch") for worker in workers])
        assert await workers[0].stop(signal.SIGTERM) == 0
        successor = await centre.start_worker()
        await successor.holds(partitions=4)
        await centre.send_portions(rest)
        events = [event for portion in portions for event in portion]
        requests = sum(isinstance(event, CallRequested) for event in events)
        await centre.wait_until(lambda: centre.replies_read >= requests)
        for worker in centre.workers:
            assert await worker.stop() == 0
        replies = {
            (contact_id or "", call_id): [record.value for record in records]
            for (contact_id, call_id), records in centre.replies.items()
        }
        assert complaints_of_run(load(tmp_path / "settings.yaml").records, events, replies) == []
        assert (len(events), requests, centre.replies_read) == (EVENTS, EVENTS * 2 // 3, requests)
        assert all(handled(worker) > 0 for worker in centre.workers)
    finally:
        await centre.close()
