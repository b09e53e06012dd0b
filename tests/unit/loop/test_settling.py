"""One contact's events against what is known of it."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import REPLY, AssignmentRejected, NumberAssigned
from schemas.settings import ProjectSettings
from tests.unit.loop.test_reading import Record
from worker.loop.events import Ended, Requested
from worker.loop.reading import Incoming
from worker.loop.settling import Settled, Settler
from worker.selection.history import ContactHistory
from worker.selection.routing import Project, Routing
from worker.state.store import Snapshot

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NUMBERS = ("+358912345671", "+358912345672", "+358912345673")


@pytest.fixture
def routing() -> Routing:
    inventory = dict.fromkeys(NUMBERS, True)
    project = ProjectSettings(project_id="spring", numbers=NUMBERS, selection_logic="different_number")
    return Routing(7, numbers=inventory, projects={"spring": Project(project, inventory)})


@pytest.fixture
def settler(routing: Routing) -> Settler:
    return Settler(routing, b"key", NOW)


def request(call_id: str, *, minute: int = 0, project_id: str = "spring", phone: str = "+358401234567") -> Incoming:
    event = Requested(
        call_id=call_id,
        project_id=project_id,
        contact_id="contact-1",
        phone=phone,
        agent_id=None,
        requested_at=NOW + timedelta(minutes=minute),
    )
    return Incoming(minute, Record(None), event)


def outcome(call_id: str, *, minute: int = 0, next_number: str | None = None) -> Incoming:
    event = Ended(
        call_id=call_id,
        project_id="spring",
        contact_id="contact-1",
        outcome="busy",
        next_number=next_number,
        occurred_at=NOW + timedelta(minutes=minute),
    )
    return Incoming(minute, Record(None), event)


def unknown() -> Snapshot:
    return Snapshot(ContactHistory(), 0, {})


def assigned(settled: Settled) -> list[NumberAssigned]:
    replies = [REPLY.validate_json(answer.value) for answer in settled.answers]
    assert all(isinstance(reply, NumberAssigned) for reply in replies)
    return [reply for reply in replies if isinstance(reply, NumberAssigned)]


def test_each_call_of_a_batch_sees_the_one_before_it(settler: Settler) -> None:
    settled = settler.settle("contact-1", [request("a"), request("b", minute=1), request("c", minute=2)], unknown())
    replies = assigned(settled)
    assert [reply.attempt for reply in replies] == [1, 2, 3]
    assert {reply.number for reply in replies} == set(NUMBERS)
    assert all(reply.assigned_at == NOW and reply.settings_version == 7 for reply in replies)


def test_a_call_asked_again_in_the_same_batch_gets_the_same_bytes_and_counts_once(settler: Settler) -> None:
    settled = settler.settle("contact-1", [request("a"), request("a", minute=5, phone="+15551234567")], unknown())
    first, second = settled.answers
    assert first.value == second.value
    assert second.decision is None
    assert settled.change is not None
    assert settled.change.history.attempts("spring") == 1


def test_a_stored_reply_is_given_again_and_changes_nothing(settler: Settler) -> None:
    settled = settler.settle("contact-1", [request("a")], Snapshot(ContactHistory(), 3, {"a": b"as it was"}))
    assert [answer.value for answer in settled.answers] == [b"as it was"]
    assert settled.change is None


def test_an_outcome_between_two_calls_decides_the_second(settler: Settler) -> None:
    events = [request("a"), outcome("a", minute=1, next_number=NUMBERS[1]), request("b", minute=2)]
    _, second = assigned(settler.settle("contact-1", events, unknown()))
    assert (second.rule, second.number) == ("outcome_number", NUMBERS[1])


def test_a_rejection_is_kept_for_the_call_and_leaves_the_history_alone(settler: Settler) -> None:
    settled = settler.settle("contact-1", [request("a", project_id="autumn")], unknown())
    reply = REPLY.validate_json(settled.answers[0].value)
    assert isinstance(reply, AssignmentRejected)
    assert reply.reason == "unknown_project"
    assert settled.change is not None
    assert settled.change.history == ContactHistory()
    assert settled.change.replies == {"a": settled.answers[0].value}


def test_the_change_is_of_the_version_that_was_read(settler: Settler) -> None:
    settled = settler.settle("contact-1", [outcome("a")], Snapshot(ContactHistory(), 12, {}))
    assert settled.change is not None
    assert settled.change.version == 12


def test_an_outcome_delivered_twice_is_written_once(settler: Settler) -> None:
    first = settler.settle("contact-1", [request("a"), outcome("a", minute=1)], unknown())
    assert first.change is not None
    again = settler.settle("contact-1", [outcome("a", minute=1)], Snapshot(first.change.history, 1, {}))
    assert again.change is None
