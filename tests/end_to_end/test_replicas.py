"""Three replicas at one backlog that joins, leaves and repeats, judged by the independent model."""

import asyncio
import json
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.events import DIALER_EVENT, CallOutcome, CallRequested
from tests.end_to_end.centre import Centre
from tests.model import complaints_of_run
from worker.settings.file import load

EVENTS, CONTACTS = 12_000, 1_500
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

NUMBERS = (
    *("+358912345678", "+358331234567", "+358401112233", "+46812345678", "+12125550101", "+17165550102"),
    *("+15125550103", "+390612345678", "+33123456789", "+442079460123", "+493012345678"),
)
RETIRED = "+358912345699"
PHONES = ("+358401234567", "+358931234567", "+12125550190", "+15185550191", "+390298765432", "+33198765432", "12345")
PROJECTS = ("first", "second", "third", "fourth")
AGENTS = ("anna", "bert", "carl", None)
OUTCOMES = ("busy", "voicemail", "callback", "deal")

SETTINGS = "\n".join(
    (
        f"numbers: {json.dumps([{'number': number} for number in NUMBERS] + [{'number': RETIRED, 'active': False}])}",
        "projects:",
        f"""  - {{project_id: first, numbers: {json.dumps([*NUMBERS[:5], RETIRED])}, selection_logic: different_number,
       keep_previous_number: true, outcomes: {{busy: "{NUMBERS[1]}", callback: "{RETIRED}"}}}}""",
        f"""  - {{project_id: second, numbers: {json.dumps(NUMBERS)}, number_for_first_call: regionally_random,
       selection_logic: regionally_random}}""",
        f"""  - {{project_id: third, numbers: {json.dumps(NUMBERS[3:8])}, number_for_first_call: "{NUMBERS[4]}",
       agent_numbers: use_agent_number}}""",
        f"""  - {{project_id: fourth, numbers: ["{RETIRED}"], when_no_number: reject}}""",
        f"""agents: [{{agent_id: anna, number: "{NUMBERS[2]}"}}, {{agent_id: bert}}]""",
        f"""outcomes: [{{outcome: voicemail, next_number: "{NUMBERS[4]}"}}]""",
    )
)


def story(centre: Centre) -> list[CallRequested | CallOutcome]:
    """A day of a dialer: two requests to an outcome, calls asked twice, outcomes late, early and never."""
    chance = random.Random(20_261_124)  # noqa: S311 - a test's story, not a secret
    events: list[CallRequested | CallOutcome] = []
    calls: list[tuple[str, str, str]] = []
    for n in range(EVENTS):
        at = (START + timedelta(seconds=n)).isoformat()
        if n % 3 == 2:
            project, contact, call = chance.choice(calls[-CONTACTS:])
            if chance.random() < 0.05:
                call = f"call-{n + chance.randrange(1, 40)}"  # of a call to come, or of none
            fields = {"type": "call-outcome", "outcome": chance.choice(OUTCOMES), "occurred_at": at}
            if chance.random() < 0.2:
                fields["next_number"] = chance.choice((*NUMBERS, RETIRED))
        else:
            project, contact = chance.choice(PROJECTS), centre.contact(str(chance.randrange(CONTACTS)))
            call = f"call-{n}"
            if calls and chance.random() < 0.03:
                project, contact, call = chance.choice(calls[-50:])
            calls.append((project, contact, call))
            fields = {"type": "call-requested", "phone": chance.choice(PHONES), "requested_at": at}
            if agent := chance.choice(AGENTS):
                fields["agent_id"] = agent
        fields |= {"project_id": project, "contact_id": contact, "call_id": call}
        events.append(DIALER_EVENT.validate_json(json.dumps(fields)))
    return events


async def test_every_request_of_a_backlog_gets_one_admissible_reply_from_three_replicas(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    try:
        await centre.open(SETTINGS, workers=0)
        events = story(centre)
        requests = sum(isinstance(event, CallRequested) for event in events)
        await centre.send_all(events, start_ms=int(START.timestamp() * 1_000))
        workers = await asyncio.gather(*[centre.start_worker() for _ in range(3)])
        await centre.wait_until(lambda: centre.replies_read >= requests // 4)
        assert await workers[0].stop(signal.SIGTERM) == 0
        await centre.start_worker()
        await centre.wait_until(lambda: centre.replies_read >= requests)
        for worker in centre.workers:
            assert await worker.stop() == 0
        replies = {
            (contact_id or "", call_id): [record.value for record in records]
            for (contact_id, call_id), records in centre.replies.items()
        }
        assert complaints_of_run(load(tmp_path / "settings.yaml").records, events, replies) == []
        assert centre.replies_read == requests
    finally:
        await centre.close()
