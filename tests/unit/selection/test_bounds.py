"""What a contact, a decision and a reply may come to at most, whatever a dialer sends."""

from datetime import UTC, datetime

from schemas.events import CallRequested
from schemas.fields import MAX_ID_LENGTH
from schemas.settings import NumberSettings, ProjectSettings
from tests.model.engine import Engine
from worker.loop.encoding import encode as encode_reply
from worker.selection import uses
from worker.selection.history import MAX_NUMBERS, MAX_PROJECTS, MAX_WAITING, CallEnd, ContactHistory
from worker.state.codec import encode

CALLS = 10_000
USUAL_BYTES, WORST_BYTES = 18_500, 12_300_000
REPLY_BYTES = 17_000
LATEST_US = 253_402_300_799_999_999


def widest(n: int) -> str:
    """An id of the greatest length, in characters of four bytes."""
    return str(n).rjust(MAX_ID_LENGTH, "🦉")


def history_of(calls: int, *, widest_ids: bool) -> ContactHistory:
    history = ContactHistory()
    for n in range(calls):
        project, call, outcome = (
            (widest(n), widest(n), widest(n)) if widest_ids else (f"project-{n % 20}", f"call-{n}", "busy")
        )
        history.record_call(project, call, f"+3589{n:010d}", LATEST_US)
        history.record_outcome(project, call, CallEnd(outcome, f"+3589{n:010d}", LATEST_US))
        history.record_outcome(project, f"{call[:-1]}x", CallEnd(outcome, f"+3589{n:010d}", LATEST_US))
    return history


def test_ten_thousand_calls_by_twenty_projects_leave_a_bounded_state() -> None:
    history = history_of(CALLS, widest_ids=False)
    assert uses.count(history.uses) == MAX_NUMBERS
    assert len(history.waiting) == MAX_WAITING
    assert len(encode(history, 2 * CALLS)) < USUAL_BYTES


def test_the_largest_state_that_ids_can_make_is_bounded() -> None:
    history = history_of(MAX_PROJECTS + 1, widest_ids=True)
    assert len(history.projects) == MAX_PROJECTS
    assert len(encode(history, 10**17)) <= WORST_BYTES


def test_a_project_of_twenty_thousand_numbers_answers_as_shortly_as_any() -> None:
    numbers = [f"+3589{n:07d}" for n in range(20_000)]
    engine = Engine(
        [
            *(NumberSettings(number=number) for number in numbers),
            ProjectSettings(
                project_id=widest(0),
                name="large",
                numbers=tuple(numbers),
                number_for_first_call="regionally_random",
                selection_logic="different_number",
            ),
        ]
    )
    at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    for n in range(3):
        request = CallRequested(
            type="call-requested",
            call_id=widest(n),
            project_id=widest(0),
            contact_id=widest(1),
            phone="+358931234567",
            agent_id=widest(2),
            requested_at=at,
        )
        reply = engine.request(request)
        assert reply.type == "number-assigned"
        assert len(reply.trail) <= 8
        assert len(encode_reply(reply)) < REPLY_BYTES
