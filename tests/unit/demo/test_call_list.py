# ruff: noqa: S311 - chance here is a game, and seeded

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

from schemas.events import CallRequested
from schemas.settings import AgentSettings, ProjectSettings
from worker import demo
from worker.demo.call_list import MAX_ATTEMPTS, Call, CallList
from worker.demo.phones import calling_codes
from worker.selection.decision import Assignment, decide
from worker.selection.history import CallEnd, ContactHistory
from worker.settings.difference import difference
from worker.settings.file import load
from worker.settings.fold import Fold

PROJECTS = {"north": ["+358", "+46"], "europe": ["+358", "+39"], "west": ["+1"]}
SAMPLE = Path(demo.__file__).with_name("settings.yaml")


def day(
    calls: CallList, how_many: int, end: Callable[[Call, float], None] = lambda _call, _now_s: None
) -> Iterator[Call]:
    """Make calls at 5 a second, each ending when it should. `end` is called before the list is told."""
    going: list[tuple[float, str, Call]] = []
    for made in range(how_many):
        now_s = made / 5
        while going and going[0][0] <= now_s:
            end_s, _, ended = heapq.heappop(going)
            end(ended, end_s)
            calls.ended(ended, end_s)
        call = calls.next(now_s)
        heapq.heappush(going, (now_s + call.lasts_s, call.call_id, call))
        yield call


def test_the_same_seed_makes_the_same_calls() -> None:
    first, second, other = (list(day(CallList(PROJECTS, ["anna"], Random(seed)), 300)) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_contact_is_never_called_twice_at_a_time() -> None:
    engaged: set[str] = set()
    calls = CallList(PROJECTS, [], Random(1))
    for call in day(calls, 2_000, lambda call, _now_s: engaged.remove(call.contact.contact_id)):
        assert call.contact.contact_id not in engaged
        engaged.add(call.contact.contact_id)


def test_who_was_not_reached_is_called_again_by_the_project_until_it_gives_up() -> None:
    by_contact: defaultdict[str, list[Call]] = defaultdict(list)
    for call in day(CallList(PROJECTS, [], Random(1)), 3_000):
        by_contact[call.contact.contact_id].append(call)
    for calls in by_contact.values():
        for call, following in pairwise(calls):
            assert (following.project_id == call.project_id) is (call.again_after_s is not None)
    attempts = Counter((call.contact, call.project_id) for calls in by_contact.values() for call in calls)
    assert max(attempts.values()) == MAX_ATTEMPTS


def test_only_projects_that_call_its_country_call_a_contact() -> None:
    calls = list(day(CallList(PROJECTS, [], Random(1)), 2_000))
    assert all(call.contact.code in PROJECTS[call.project_id] for call in calls)
    projects = defaultdict(set)
    for call in calls:
        projects[call.contact].add(call.project_id)
    assert {"north", "europe"} in projects.values()


def test_without_agents_no_call_names_one() -> None:
    assert {call.agent_id for call in day(CallList(PROJECTS, [], Random(1)), 50)} == {None}


def test_with_agents_some_calls_name_one() -> None:
    calls = day(CallList(PROJECTS, ["anna", "bjorn"], Random(1)), 50)
    assert {call.agent_id for call in calls} == {"anna", "bjorn", None}


def test_the_calls_bring_out_every_rule_of_the_sample_settings_within_two_minutes() -> None:
    records = load(SAMPLE).records
    fold = Fold()
    for offset, (key, value) in enumerate(difference((), records).writes()):
        fold.fold(offset, key.encode(), value)
    histories: defaultdict[str, ContactHistory] = defaultdict(ContactHistory)
    rules: Counter[str] = Counter()

    def end(call: Call, now_s: float) -> None:
        outcome = CallEnd(call.outcome, None, int(now_s * 1_000_000))
        histories[call.contact.contact_id].record_outcome(call.project_id, call.call_id, outcome)

    calls = CallList(
        {each.project_id: calling_codes(each.numbers) for each in records if isinstance(each, ProjectSettings)},
        [each.agent_id for each in records if isinstance(each, AgentSettings)],
        Random(1),
    )
    for made, call in enumerate(day(calls, 600, end)):
        history = histories[call.contact.contact_id]
        decision = decide(_request(call), history, fold.routing(), b"")
        assert isinstance(decision, Assignment)
        history.record_call(call.project_id, call.call_id, decision.number, made * 200_000)
        rules[decision.rule] += 1
    assert set(rules) == {
        "agent_number",
        "previous_number",
        "first_call_number",
        "first_call_random",
        "first_call_regional",
        "outcome_number",
        "random",
        "different_number",
        "regional",
    }


def _request(call: Call) -> CallRequested:
    return CallRequested(
        type="call-requested",
        call_id=call.call_id,
        project_id=call.project_id,
        contact_id=call.contact.contact_id,
        phone=call.contact.phone,
        agent_id=call.agent_id,
        requested_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
