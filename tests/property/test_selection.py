"""`decide` and the history against the model of `tests/model`, on settings and events that hypothesis makes up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import AssignmentRejected, CallOutcome, CallRequested, NumberAssigned
from schemas.settings import (
    AgentSettings,
    NumberSettings,
    OutcomeSettings,
    ProjectSettings,
    SettingsRecord,
)
from tests.model import Model, complaints_of_run
from tests.model.engine import Engine
from tests.model.log import Ended
from worker.selection import uses
from worker.selection.history import WaitingOutcome, instant

NUMBERS = (
    "+358912345678",  # Helsinki
    "+358987654321",
    "+358331234567",  # Tampere
    "+358401234567",  # a Finnish mobile
    "+46812345678",  # Stockholm
    "+12125550123",  # New York
    "+17185550123",  # New York too, another area code
    "+13105550123",  # Los Angeles
    "+18765550123",  # Jamaica
    "+390612345678",  # Rome
    "+33123456789",  # Paris
)
PHONES = (
    *NUMBERS,
    "+358 9 8765 4321",
    "+1 (212) 555-0199",
    "+1 646 555 0199",
    "+1 416 555 0199",  # Toronto
    "+1 800 555 0199",
    "+1 900 555 0199",
    "+390212345678",  # Milan
    "+393331234567",
    "+5491123456789",  # an Argentine mobile
    "+498912345678",  # Munich
)
IMPOSSIBLE_PHONES = ("+358", "0912345678", "+99912345678", "anna")
PROJECTS = ("spring", "autumn", "gone")
AGENTS = ("anna", "bertil", "gone")
OUTCOMES = ("busy", "voicemail", "deal")
CALLS = tuple(f"call-{n}" for n in range(12))
CONTACTS = ("contact-1", "contact-2")
START = datetime(2026, 3, 2, 9, tzinfo=UTC)

Event = CallRequested | CallOutcome
Step = Event | tuple[SettingsRecord, ...]
"""An event, or other settings that are in force from there on."""

# The model is slow on purpose, and how long it takes says nothing.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.sampled_from(NUMBERS)


def some(members: Sequence[str], *, max_size: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(members), unique=True, max_size=max_size)


@st.composite
def settings_records(draw: st.DrawFn) -> tuple[SettingsRecord, ...]:
    """Settings that need not fit together: numbers that dangle or rest, agents and projects that are not there."""
    inventory = draw(some(NUMBERS, max_size=len(NUMBERS)))
    records: list[SettingsRecord] = [
        NumberSettings(number=number, active=draw(st.integers(0, 4)) > 0) for number in inventory
    ]
    for project_id in PROJECTS[:2]:
        project = ProjectSettings(
            project_id=project_id,
            numbers=tuple(draw(st.lists(numbers, max_size=6))),
            number_for_first_call=draw(st.sampled_from(["random", "regionally_random"]) | numbers),
            keep_previous_number=draw(st.booleans()),
            selection_logic=draw(st.sampled_from(["random", "different_number", "regionally_random"])),
            agent_numbers=draw(st.sampled_from(["use_project_number", "use_agent_number"])),
            outcomes=draw(st.dictionaries(st.sampled_from(OUTCOMES), numbers, max_size=2)),
            when_no_number=draw(st.sampled_from(["anonymous", "reject"])),
        )
        records.append(project)
    records += [AgentSettings(agent_id=agent, number=draw(st.none() | numbers)) for agent in AGENTS[:2]]
    records += [
        OutcomeSettings(outcome=outcome, next_number=draw(st.none() | numbers))
        for outcome in draw(some(OUTCOMES, max_size=2))
    ]
    return tuple(records)


# Few different times, so that ties happen; 20 minutes to 13 hours apart, so that the 24 hours of a wait end.
times = st.one_of(st.integers(0, 5).map(lambda n: n * 20), st.integers(0, 8).map(lambda n: n * 360)).map(
    lambda minutes: START + timedelta(minutes=minutes)
)
requests = st.builds(
    CallRequested,
    type=st.just("call-requested"),
    call_id=st.sampled_from(CALLS),
    project_id=st.sampled_from((*PROJECTS, *PROJECTS[:2])),
    contact_id=st.sampled_from(CONTACTS),
    phone=st.one_of(st.sampled_from(PHONES), st.sampled_from(PHONES), st.sampled_from((*PHONES, *IMPOSSIBLE_PHONES))),
    agent_id=st.none() | st.sampled_from(AGENTS),
    requested_at=times,
)
outcomes = st.builds(
    CallOutcome,
    type=st.just("call-outcome"),
    call_id=st.sampled_from(CALLS),
    project_id=st.sampled_from(PROJECTS[:2]),
    contact_id=st.sampled_from(CONTACTS),
    outcome=st.sampled_from(OUTCOMES),
    next_number=st.none() | st.none() | numbers,
    occurred_at=times,
)


@st.composite
def scripts(draw: st.DrawFn) -> list[Step]:
    """Events in handling order: calls and their outcomes, also early, late and repeated, and changed settings."""
    script: list[Step] = []
    made: list[CallRequested] = []
    for kind in draw(st.lists(st.sampled_from("rrrroooaasx"), max_size=40)):
        if kind == "r":
            made.append(draw(requests))
            script.append(made[-1])
        elif kind == "s":
            script.append(draw(settings_records()))
        elif kind == "a" and made:  # an outcome of a call that was made
            call = draw(st.sampled_from(made[-3:]))
            names = {"call_id": call.call_id, "project_id": call.project_id, "contact_id": call.contact_id}
            script.append(draw(outcomes).model_copy(update=names))
        elif kind == "x" and script and not isinstance(script[-1], tuple):
            script.append(script[-1])  # delivered twice
        else:
            script.append(draw(outcomes))
    return script


def run(records: Sequence[SettingsRecord], script: Sequence[Step]) -> list[NumberAssigned | AssignmentRejected]:
    """Drive model and engine side by side and hold each reply to what the model admits."""
    model, engine = Model(records), Engine(records)
    replies = []
    for step in script:
        if isinstance(step, CallRequested):
            reply = engine.request(step)
            assert model.complaints(step, reply) == []
            model.observe(step, reply)
            replies.append(reply)
        elif isinstance(step, CallOutcome):
            engine.outcome(step)
            model.outcome(step)
        else:
            engine.change_settings(step)
            model.change_settings(step)
        for contact_id in CONTACTS:
            assert_same_state(model, engine, contact_id)
    return replies


def assert_same_state(model: Model, engine: Engine, contact_id: str) -> None:
    log, history = model.log_of(contact_id), engine.history_of(contact_id)
    called = {call.project_id for call in log.calls()}
    assert history.projects.keys() == called
    for project_id in called:
        calls, latest = history.projects[project_id], log.calls(project_id)[-1]
        assert (calls.attempts, calls.latest_call) == (len(log.calls(project_id)), latest.call_id)
        end, counts = calls.end, log.end_of_latest_call(project_id)
        told = end and (end.outcome, end.next_number, instant(end.occurred_at_us))
        assert told == (counts and (counts.outcome, counts.next_number, counts.at))
    assert history.last_number == log.previous_number()
    used = {number: instant(at_us) for number, at_us in uses.unpack(history.uses).items()}
    assert used == {number: log.last_use(number) for number in log.used()}
    assert sorted(map(_ended, history.waiting), key=repr) == sorted(log.waiting(), key=repr)


def _ended(waiting: WaitingOutcome) -> Ended:
    end = waiting.end
    return Ended(waiting.project_id, waiting.call_id, end.outcome, end.next_number, instant(end.occurred_at_us))


@unhurried
@given(records=settings_records(), script=scripts())
def test_the_model_admits_every_decision_and_keeps_the_same_state(
    records: tuple[SettingsRecord, ...], script: list[Step]
) -> None:
    run(records, script)


@unhurried
@given(records=settings_records(), script=scripts())
def test_the_same_events_are_answered_the_same_again(records: tuple[SettingsRecord, ...], script: list[Step]) -> None:
    assert run(records, script) == run(records, script)


@unhurried
@given(records=settings_records(), script=scripts(), data=st.data())
def test_the_order_of_the_settings_records_and_of_a_projects_numbers_does_not_matter(
    records: tuple[SettingsRecord, ...], script: list[Step], data: st.DataObject
) -> None:
    events = [step for step in script if not isinstance(step, tuple)]
    shuffled = [
        record.model_copy(update={"numbers": tuple(data.draw(st.permutations(record.numbers)))})
        if isinstance(record, ProjectSettings)
        else record
        for record in data.draw(st.permutations(records))
    ]

    assert run(shuffled, events) == run(records, events)


@unhurried
@given(records=settings_records(), script=scripts())
def test_a_decision_changes_nothing(records: tuple[SettingsRecord, ...], script: list[Step]) -> None:
    engine = Engine(records)
    for step in script:
        if isinstance(step, CallRequested):
            history, request = msgspec.json.encode(engine.history_of(step.contact_id)), step.model_dump_json()
            first = engine.decide(step)
            assert engine.decide(step) == first
            assert msgspec.json.encode(engine.history_of(step.contact_id)) == history
            assert step.model_dump_json() == request
            engine.request(step)
        elif isinstance(step, CallOutcome):
            engine.outcome(step)


@unhurried
@given(records=settings_records(), script=scripts())
def test_a_rejection_leaves_the_history_as_it_was(records: tuple[SettingsRecord, ...], script: list[Step]) -> None:
    engine = Engine(records)
    for step in script:
        if isinstance(step, CallRequested):
            before = msgspec.json.encode(engine.history_of(step.contact_id))
            if isinstance(engine.request(step), AssignmentRejected):
                assert msgspec.json.encode(engine.history_of(step.contact_id)) == before
        elif isinstance(step, CallOutcome):
            engine.outcome(step)


@unhurried
@given(script=scripts())
def test_an_outcome_says_whether_it_changed_the_history(script: list[Step]) -> None:
    # What it says decides whether the history is written; one that changed in silence would be half forgotten.
    everything = ProjectSettings(project_id=PROJECTS[0], numbers=NUMBERS)
    engine = Engine([everything, *(NumberSettings(number=number) for number in NUMBERS)])
    for step in script:
        if isinstance(step, CallRequested):
            engine.request(step)
        elif isinstance(step, CallOutcome):
            before = msgspec.json.encode(engine.history_of(step.contact_id))
            changed = engine.outcome(step)
            assert changed == (msgspec.json.encode(engine.history_of(step.contact_id)) != before)


@unhurried
@given(records=settings_records(), script=scripts())
def test_a_right_run_gives_no_complaint(records: tuple[SettingsRecord, ...], script: list[Step]) -> None:
    events = [step for step in script if not isinstance(step, tuple)]

    assert complaints_of_run(records, events, replies_of(records, events)) == []


@unhurried
@given(
    records=settings_records(),
    script=scripts(),
    data=st.data(),
    fault=st.sampled_from(["lost", "again", "number", "rule", "attempt", "trail", "contact"]),
)
def test_a_wrong_run_gives_a_complaint(
    records: tuple[SettingsRecord, ...],
    script: list[Step],
    data: st.DataObject,
    fault: Literal["lost", "again", "number", "rule", "attempt", "trail", "contact"],
) -> None:
    good = CallRequested(
        type="call-requested",
        call_id="good",
        project_id="whole",
        contact_id=CONTACTS[0],
        phone=PHONES[0],
        requested_at=START,
    )
    records = (*records, ProjectSettings(project_id="whole", when_no_number="anonymous"))
    events = [*(step for step in script if not isinstance(step, tuple)), good]
    replies = replies_of(records, events)
    call = data.draw(st.sampled_from([c for c, values in replies.items() if b'"number-assigned"' in values[0]]))
    value = msgspec.json.decode(replies[call][0])
    wrong = {
        "number": {"number": "+18885550123", "anonymous": False},
        "rule": {"rule": "random" if value["rule"] != "random" else "regional"},
        "attempt": {"attempt": value["attempt"] + 1},
        "trail": {"trail": [*value["trail"], {"rule": "agent_number", "reason": "no_outcome"}]},
        "contact": {"contact_id": "another"},
    }
    if fault == "lost":
        replies[call] = replies[call][1:]
    elif fault == "again":
        replies[call] = [*replies[call], replies[call][0]]
    else:
        replies[call] = [msgspec.json.encode(value | wrong[fault])] * len(replies[call])

    assert complaints_of_run(records, events, replies) != []


def replies_of(records: Sequence[SettingsRecord], events: Sequence[Event]) -> dict[tuple[str, str], list[bytes]]:
    engine = Engine(records)
    replies: dict[tuple[str, str], list[bytes]] = {}
    for event in events:
        if isinstance(event, CallOutcome):
            engine.outcome(event)
        else:
            value = engine.request(event).model_dump_json().encode()
            replies.setdefault((event.contact_id, event.call_id), []).append(value)
    return replies
