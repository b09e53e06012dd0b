"""One contact's events against what is known of it: the replies, and what is known then. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from worker.loop.encoding import reply_to
from worker.loop.events import Requested
from worker.loop.reading import Incoming
from worker.selection.decision import Assignment, Rejection, decide
from worker.selection.history import CallEnd, ContactHistory, microseconds
from worker.selection.routing import Routing
from worker.state.store import Change, Snapshot


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The reply to one request. `decision` is what it came from, `None` if it was decided before this batch."""

    incoming: Incoming
    value: bytes
    decision: Assignment | Rejection | None


class Settled(msgspec.Struct, frozen=True, gc=False):
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
            if event.type == "call-outcome":
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

    def _decide(self, incoming: Incoming, request: Requested, history: ContactHistory) -> Answer:
        decision = decide(request, history, self._routing, self._selection_key)
        if isinstance(decision, Assignment):
            at_us = microseconds(request.requested_at)
            history.record_call(request.project_id, request.call_id, decision.number, at_us)
        reply = reply_to(request, decision, settings_version=self._routing.version, decided_at=self._now)
        return Answer(incoming, reply, decision)
