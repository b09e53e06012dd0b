"""The judge finds what it is there to find: each promise broken once, in a run of two calls that is else in order."""

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.headers import SOURCE
from schemas.settings import NumberSettings, ProjectSettings
from tests.chaos.judge import Excuse, Run, complaints, counts
from tests.chaos.logs import Record

HELSINKI, TAMPERE = "+358912345678", "+358331234567"
START_MS = 1_800_000_000_000
SETTINGS = (
    NumberSettings(number=HELSINKI),
    NumberSettings(number=TAMPERE),
    ProjectSettings(project_id="spring", numbers=(HELSINKI, TAMPERE), number_for_first_call=HELSINKI),
)
OWN = (("trace", b"1"),)


def record(topic: str, offset: int, value: bytes, headers: tuple[tuple[str, bytes], ...] = OWN, *, at: int) -> Record:
    return Record(topic, 3, offset, START_MS + at, b"k", value, headers)


def request(offset: int, call_id: str, *, at: int, **fields: Any) -> Record:
    event = {
        "type": "call-requested",
        "call_id": call_id,
        "project_id": "spring",
        "contact_id": "k",
        "phone": "+358401234567",
        "requested_at": "2026-11-24T08:00:00+00:00",
        **fields,
    }
    return record("call-requested", offset, json.dumps(event).encode(), at=at)


def reply(  # noqa: PLR0913 - all that the judge looks at
    offset: int, call_id: str, number: str, rule: str, *, at: int, attempt: int = 1
) -> Record:
    reasons = {
        "first_call_number": (
            *(("agent_number", "project_uses_project_numbers"), ("previous_number", "previous_number_not_kept")),
        ),
        "outcome_number": (("agent_number", "project_uses_project_numbers"),),
        "random": (("agent_number", "project_uses_project_numbers"), ("outcome_number", "no_outcome")),
    }
    event = {
        "type": "number-assigned",
        "call_id": call_id,
        "project_id": "spring",
        "contact_id": "k",
        "phone": "+358401234567",
        "agent_id": None,
        "number": number,
        "anonymous": False,
        "attempt": attempt,
        "rule": rule,
        "trail": [{"rule": passed, "reason": reason} for passed, reason in reasons[rule]],
        "settings_version": 2,
        "requested_at": "2026-11-24T08:00:00+00:00",
        "assigned_at": "2026-11-24T08:00:00+00:00",
    }
    source = (SOURCE, b"call-requested:%d:0" % offset)
    return record("number-assigned", offset, json.dumps(event).encode(), (source,), at=at)


OUTCOME = {
    "type": "call-outcome",
    "call_id": "one",
    "project_id": "spring",
    "contact_id": "k",
    "outcome": "busy",
    "next_number": TAMPERE,
    "occurred_at": "2026-11-24T08:00:00+00:00",
}

ONE = reply(0, "one", HELSINKI, "first_call_number", at=15)
AGAIN = ONE._replace(offset=1, timestamp=START_MS + 25, headers=((SOURCE, b"call-requested:1:0"),))
TWO = reply(2, "two", TAMPERE, "outcome_number", attempt=2, at=45)
RUBBISH = record("call-requested", 3, b"rubbish", at=50)
ORDERLY = Run(
    settings=SETTINGS,
    requests=(request(0, "one", at=10), request(1, "one", at=20), request(2, "two", at=40), RUBBISH),
    outcomes=(record("call-outcome", 0, json.dumps(OUTCOME).encode(), at=30),),
    replies=(ONE, AGAIN, TWO),
    replies_committed=(ONE, AGAIN, TWO),
    letters=(RUBBISH._replace(topic="dead-letters", headers=(*OWN, ("__connect.errors.stage", b"x"))),),
    attempts={("k", "spring"): 2},
)


def with_replies(*replies: Record) -> Run:
    return replace(ORDERLY, replies=replies, replies_committed=replies)


def test_a_run_in_order_has_no_complaints() -> None:
    assert complaints(ORDERLY) == []
    assert counts(ORDERLY) == {
        "events": 5,
        "requests": 3,
        "outcomes": 1,
        "records that do not fit": 1,
        "calls asked for again": 1,
        "replies": 3,
        "waits for the other topic exceeded": 0,
        "requests that ran ahead of an outcome": 0,
        "repeats, paused": 0,
        "repeats, cut off": 0,
        "repeats, late": 0,
        "repeats, misfit": 0,
        "repeats, unexcused": 0,
        "dead letters": 1,
    }


OTHER_NUMBER = reply(2, "two", HELSINKI, "outcome_number", attempt=2, at=45)
OTHER_COUNT = reply(2, "two", TAMPERE, "outcome_number", attempt=3, at=45)
REPEAT = TWO._replace(offset=3, timestamp=START_MS + 60_000)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (with_replies(ONE, AGAIN), "call-requested/3:2 was not answered"),
        (with_replies(ONE, AGAIN, TWO, TWO._replace(headers=())), "answers nothing"),
        (with_replies(ONE, AGAIN, TWO, TWO._replace(headers=((SOURCE, b"call-requested:3:0"),))), "is no request"),
        (with_replies(ONE, AGAIN, TWO, REPEAT), "was answered 2 times, with no excuse"),
        (with_replies(ONE, AGAIN, TWO, REPEAT._replace(value=ONE.value)), "got replies that differ"),
        (with_replies(ONE, AGAIN._replace(value=TWO.value), TWO), "replies that differ"),
        (with_replies(ONE, TWO, AGAIN), "was answered after"),
        (with_replies(ONE, AGAIN, OTHER_NUMBER), "is not one of"),
        (with_replies(ONE, AGAIN, OTHER_COUNT), "attempt 3 should be 2"),
        (replace(ORDERLY, replies_committed=(ONE, AGAIN)), "one of what is committed 2"),
        (replace(ORDERLY, attempts={("k", "spring"): 3}), "k has 3 attempts in spring, and was assigned 2 calls"),
        (replace(ORDERLY, attempts={}), "k has 0 attempts in spring"),
        (replace(ORDERLY, letters=()), "call-requested/3:3 is no dead letter"),
        (replace(ORDERLY, letters=[ORDERLY.letters[0]._replace(headers=())]), "call-requested/3:3 is no dead letter"),
        (replace(ORDERLY, letters=[*ORDERLY.letters, ORDERLY.requests[0]]), "call-requested/3:0 is a dead letter"),
    ],
)
def test_each_promise_that_is_broken_is_a_complaint(run: Run, words: str) -> None:
    found = complaints(run)
    assert any(words in complaint for complaint in found), found


def test_a_repeat_is_excused_only_on_its_partition_and_in_its_time() -> None:
    def repeats(partition: int, began_ms: float, ended_ms: float) -> dict[str, int]:
        excuse = Excuse("paused", frozenset({partition}), began_ms, ended_ms)
        run = replace(with_replies(ONE, AGAIN, TWO, REPEAT), excuses=[excuse])
        assert (complaints(run) == []) == (counts(run)["repeats, paused"] == 1)
        return counts(run)

    at_ms = REPEAT.timestamp
    assert repeats(3, at_ms - 9_000, at_ms)["repeats, paused"] == 1
    assert repeats(4, at_ms - 9_000, at_ms)["repeats, unexcused"] == 1
    assert repeats(3, at_ms - 90_000, at_ms - 6_000)["repeats, unexcused"] == 1
    assert repeats(3, at_ms + 6_000, at_ms + 90_000)["repeats, unexcused"] == 1


def test_a_request_may_run_ahead_of_an_outcome_only_in_trouble_and_as_often_as_was_counted() -> None:
    without = reply(2, "two", TAMPERE, "random", attempt=2, at=45)
    run = with_replies(ONE, AGAIN, without)
    trouble = Excuse("late", frozenset(), 0, float("inf"))
    excused = replace(run, excuses=[trouble], waits_exceeded=1)
    assert complaints(excused) == []
    assert counts(excused)["requests that ran ahead of an outcome"] == 1
    for not_excused in (
        run,
        replace(excused, waits_exceeded=0),
        replace(excused, excuses=[]),
        replace(excused, excuses=[trouble._replace(kind="paused")]),
        replace(excused, excuses=[trouble._replace(ended_ms=0)]),
        replace(excused, replies=(ONE, AGAIN, OTHER_COUNT), replies_committed=(ONE, AGAIN, OTHER_COUNT)),
    ):
        assert any("two" in complaint for complaint in complaints(not_excused))
