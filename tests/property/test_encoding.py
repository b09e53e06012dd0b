"""Replies are written by a compiled encoder: in the bytes that the models of the contract would write."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import REPLY, AssignmentRejected, CallRequested, NumberAssigned, Passed, PassReason, Rule
from worker.loop.encoding import encode, reply_to
from worker.selection.decision import Assignment, Rejection

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds it
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC) | OFFSETS,
)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NUMBERS = st.integers(10, 10**15 - 1).map("+{}".format)
RULES = st.sampled_from(get_args(Rule))
TRAILS = st.lists(st.tuples(RULES, st.sampled_from(get_args(PassReason))), max_size=6)

REQUESTS = st.builds(
    CallRequested,
    type=st.just("call-requested"),
    call_id=IDS,
    project_id=IDS,
    contact_id=IDS,
    phone=IDS,
    agent_id=st.none() | IDS,
    requested_at=INSTANTS,
)


def by_the_model(
    request: CallRequested, decision: Assignment, settings_version: int, decided_at: datetime
) -> NumberAssigned:
    return NumberAssigned(
        type="number-assigned",
        call_id=request.call_id,
        project_id=request.project_id,
        contact_id=request.contact_id,
        phone=decision.phone,
        agent_id=request.agent_id,
        number=decision.number,
        anonymous=decision.number is None,
        attempt=decision.attempt,
        rule=decision.rule,
        trail=tuple(Passed(rule=rule, reason=reason) for rule, reason in decision.trail),
        settings_version=settings_version,
        requested_at=request.requested_at,
        assigned_at=decided_at,
    )


@given(
    REQUESTS,
    st.builds(Assignment, NUMBERS, st.none() | NUMBERS, RULES, TRAILS, st.integers(1, 2**53 - 1)),
    st.integers(-1, 2**53 - 1),
    INSTANTS,
)
def test_an_assignment_is_written_as_its_model_writes_it(
    request: CallRequested, decision: Assignment, settings_version: int, decided_at: datetime
) -> None:
    written = reply_to(request, decision, settings_version=settings_version, decided_at=decided_at)
    model = by_the_model(request, decision, settings_version, decided_at)
    assert written == model.model_dump_json().encode()
    assert REPLY.validate_json(written) == model


@given(REQUESTS, st.sampled_from(["unknown_project", "no_number_available", "invalid_phone"]), IDS, INSTANTS)
def test_a_rejection_is_written_as_its_model_writes_it(
    request: CallRequested, reason: str, detail: str, decided_at: datetime
) -> None:
    written = reply_to(request, Rejection(reason, detail), settings_version=3, decided_at=decided_at)  # type: ignore[arg-type]
    read = REPLY.validate_json(written)
    assert isinstance(read, AssignmentRejected)
    assert (read.call_id, read.project_id, read.contact_id) == (request.call_id, request.project_id, request.contact_id)
    assert (read.reason, read.detail, read.rejected_at) == (reason, detail, decided_at)
    assert encode(read) == written
