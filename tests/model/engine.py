"""The real engine, driven event by event as the model is."""

from collections.abc import Sequence

from schemas.events import REPLY, AssignmentRejected, CallOutcome, CallRequested, NumberAssigned
from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from worker.loop.encoding import reply_to
from worker.selection.decision import Assignment, Rejection, decide
from worker.selection.history import CallEnd, ContactHistory, microseconds
from worker.selection.routing import Project, Routing

SELECTION_KEY = b"a key of the tests"


def routing_of(records: Sequence[SettingsRecord]) -> Routing:
    """The settings as the engine reads them; of two records with one key the later one counts."""
    numbers = {r.number: r.active for r in records if isinstance(r, NumberSettings)}
    return Routing(
        len(records) - 1,
        numbers=numbers,
        projects={r.project_id: Project(r, numbers) for r in records if isinstance(r, ProjectSettings)},
        agents={r.agent_id: r for r in records if isinstance(r, AgentSettings)},
        outcomes={r.outcome: r for r in records if isinstance(r, OutcomeSettings)},
    )


class Engine:
    """Every contact's history, changed by decisions and outcomes. A request asked again gets its first reply."""

    def __init__(self, settings_records: Sequence[SettingsRecord]) -> None:
        self.routing = routing_of(settings_records)
        self._histories: dict[str, ContactHistory] = {}
        self._replies: dict[tuple[str, str], NumberAssigned | AssignmentRejected] = {}

    def change_settings(self, settings_records: Sequence[SettingsRecord]) -> None:
        """Other settings are in force from here on."""
        self.routing = routing_of(settings_records)

    def history_of(self, contact_id: str) -> ContactHistory:
        """What the engine knows of a contact."""
        return self._histories.setdefault(contact_id, ContactHistory())

    def decide(self, request: CallRequested) -> Assignment | Rejection:
        """Decide without taking note."""
        return decide(request, self.history_of(request.contact_id), self.routing, SELECTION_KEY)

    def request(self, request: CallRequested) -> NumberAssigned | AssignmentRejected:
        """Answer a request."""
        call = (request.contact_id, request.call_id)
        if call not in self._replies:
            decision = self.decide(request)
            version, at = self.routing.version, request.requested_at
            reply = reply_to(request, decision, settings_version=version, decided_at=at)
            self._replies[call] = REPLY.validate_json(reply)
            if isinstance(decision, Assignment):
                at_us = microseconds(request.requested_at)
                history = self.history_of(request.contact_id)
                history.record_call(request.project_id, request.call_id, decision.number, at_us)
        return self._replies[call]

    def outcome(self, event: CallOutcome) -> bool:
        """Take in an outcome; say whether the engine says that it changed anything."""
        end = CallEnd(event.outcome, event.next_number, microseconds(event.occurred_at))
        return self.history_of(event.contact_id).record_outcome(event.project_id, event.call_id, end)
