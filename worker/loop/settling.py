"""One contact's events against what is known of it: the replies, and what is known then. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.events import AssignmentRejected, CallOutcome, CallRequested, NumberAssigned, Passed
from worker.loop.reading import Incoming
from worker.selection.decision import Assignment, Rejection, decide
from worker.selection.history import CallEnd, ContactHistory, microseconds
from worker.selection.routing import Routing
from worker.state.store import Change, Snapshot


class Answer(NamedTuple):
    """The reply to one request. `decision` is what it came from, `None` if it was decided before this batch."""

    incoming: Incoming
    value: bytes
    decision: Assignment | Rejection | None


class Settled(NamedTuple):
    """What a contact's events came to. `change` is `None` when they changed nothing."""

    answers: list[Answer]
    change: Change | None


class Settler:
    """Handles the events of contacts under one version of the settings, at one time."""

    def __init__(self, routing: Routing, selection_key: bytes, now: datetime) -> None:
        self._routing = routing
        self._selection_key = selection_key
        self._now = now

    def settle(self, contact_id: str, events: Sequence[Incoming], snapshot: Snapshot) -> Settled:
        """Handle the events in order. Uses up the snapshot: its history becomes the change's."""
        history = snapshot.history
        answers: list[Answer] = []
        decided: dict[str, bytes] = {}
        changed = False
        for incoming in events:
            event = incoming.event
            if isinstance(event, CallOutcome):
                end = CallEnd(event.outcome, event.next_number, microseconds(event.occurred_at))
                changed |= history.record_outcome(event.project_id, event.call_id, end)
            elif (known := snapshot.replies.get(event.call_id) or decided.get(event.call_id)) is not None:
                answers.append(Answer(incoming, known, None))
            else:
                answer = self._decide(incoming, event, history)
                answers.append(answer)
                decided[event.call_id] = answer.value
        if not (changed or decided):
            return Settled(answers, None)
        return Settled(answers, Change(contact_id, snapshot.version, history, decided))

    def _decide(self, incoming: Incoming, request: CallRequested, history: ContactHistory) -> Answer:
        decision = decide(request, history, self._routing, self._selection_key)
        if isinstance(decision, Assignment):
            at_us = microseconds(request.requested_at)
            history.record_call(request.project_id, request.call_id, decision.number, at_us)
        reply = reply_to(request, decision, settings_version=self._routing.version, decided_at=self._now)
        return Answer(incoming, encode(reply), decision)


def reply_to(
    request: CallRequested, decision: Assignment | Rejection, *, settings_version: int, decided_at: datetime
) -> NumberAssigned | AssignmentRejected:
    """The reply that a decision makes."""
    if isinstance(decision, Rejection):
        return AssignmentRejected(
            type="assignment-rejected",
            call_id=request.call_id,
            project_id=request.project_id,
            contact_id=request.contact_id,
            reason=decision.reason,
            detail=decision.detail,
            rejected_at=decided_at,
        )
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


def encode(reply: NumberAssigned | AssignmentRejected) -> bytes:
    """A reply as it is published and kept: JSON in UTF-8."""
    return reply.model_dump_json().encode()
