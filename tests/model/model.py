"""The rules, in the order of the contract, as sets of admissible answers."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.events import AssignmentRejected, CallOutcome, CallRequested, NumberAssigned
from schemas.settings import ProjectSettings, SettingsRecord
from tests.model.log import Called, ContactLog, Ended
from tests.model.places import e164, home
from tests.model.settings import Settings
from tests.model.trail import Step, choices, trail_complaints

Reply = NumberAssigned | AssignmentRejected


class Answer(NamedTuple):
    """One answer: a number and the rule that chose it (`None`: anonymous), or why there is none."""

    kind: Literal["assigned", "rejected"]
    value: str | None
    rule: str | None


class Admissible(NamedTuple):
    """What a request may be answered, and what an assignment must say besides."""

    answers: frozenset[Answer]
    attempt: int
    phone: str | None
    passed: tuple[Step, ...]
    """The steps passed over before the last one, and why each may be said to have been."""


class Model:
    """The contract, as a judge of replies.

    Give it each event in handling order: a request with the reply it got (`observe`), an outcome (`outcome`).
    A request asked again, by its contact and call id, must be answered as the first time.
    """

    def __init__(self, settings_records: Sequence[SettingsRecord]) -> None:
        self.settings = Settings(settings_records)
        self._logs: dict[str, ContactLog] = {}
        self._replies: dict[tuple[str, str], Reply] = {}

    def change_settings(self, settings_records: Sequence[SettingsRecord]) -> None:
        """Other settings are in force from here on."""
        self.settings = Settings(settings_records)

    def log_of(self, contact_id: str) -> ContactLog:
        """All that happened to a contact."""
        return self._logs.setdefault(contact_id, ContactLog())

    def request(self, event: CallRequested) -> Admissible:
        """What a request that was not answered before may be answered."""
        log, settings = self.log_of(event.contact_id), self.settings
        phone, project = e164(event.phone), settings.project(event.project_id)
        attempt = len(log.calls(event.project_id)) + 1
        refusals = [("unknown_project", project is None), ("invalid_phone", phone is None)]
        refused = frozenset(Answer("rejected", reason, None) for reason, applies in refusals if applies)
        if project is None or phone is None:
            return Admissible(refused, attempt, phone, ())
        passed: list[Step] = []
        for step in choices(event, phone, project, settings, log):
            passed.append(step)
            if step.numbers:
                answers = frozenset(Answer("assigned", number, step.rule) for number in step.numbers)
                return Admissible(answers, attempt, phone, tuple(passed))
        nothing = _when_no_number(project)
        return Admissible(frozenset({nothing}), attempt, phone, tuple(passed))

    def observe(self, event: CallRequested, reply: Reply) -> None:
        """Take note of the reply that a request got, right or wrong."""
        if (event.contact_id, event.call_id) in self._replies:
            return
        self._replies[event.contact_id, event.call_id] = reply
        if isinstance(reply, NumberAssigned):
            called = Called(event.project_id, event.call_id, reply.number, event.requested_at)
            self.log_of(event.contact_id).entries.append(called)

    def outcome(self, event: CallOutcome) -> None:
        """Take note of an outcome."""
        ended = Ended(event.project_id, event.call_id, event.outcome, event.next_number, event.occurred_at)
        self.log_of(event.contact_id).entries.append(ended)

    def complaints(self, event: CallRequested, reply: Reply) -> list[str]:
        """What is wrong with a reply, before it is observed, in words; nothing when it is admissible."""
        earlier = self._replies.get((event.contact_id, event.call_id))
        if earlier is not None:
            return [] if reply == earlier else [_about(event, f"was answered {earlier!r}, then {reply!r}")]
        admissible = self.request(event)
        found = self._echo_complaints(event, reply)
        answer = _answer(reply)
        if answer not in admissible.answers:
            found.append(f"{answer} is not one of {sorted(admissible.answers, key=repr)}: {self._view(event)}")
        elif isinstance(reply, NumberAssigned):
            if reply.attempt != admissible.attempt:
                found.append(f"attempt {reply.attempt} should be {admissible.attempt}")
            if reply.phone != admissible.phone:
                found.append(f"phone {reply.phone} should be {admissible.phone}")
            found += trail_complaints([(p.rule, p.reason) for p in reply.trail], reply.rule, admissible.passed)
        return [_about(event, text) for text in found]

    def _echo_complaints(self, event: CallRequested, reply: Reply) -> list[str]:
        """What a reply repeats of its request, and says twice, must agree."""
        names = ["call_id", "project_id", "contact_id"]
        if isinstance(reply, NumberAssigned):
            names += ["agent_id", "requested_at"]
        asked, got = ([getattr(x, name) for name in names] for x in (event, reply))
        found = [] if asked == got else [f"repeats {names} as {got}, asked {asked}"]
        if isinstance(reply, NumberAssigned) and reply.anonymous != (reply.number is None):
            found.append(f"says anonymous={reply.anonymous} with number {reply.number}")
        return found

    def _view(self, event: CallRequested) -> str:
        """What the model knows that bears on a request."""
        log, project = self.log_of(event.contact_id), self.settings.project(event.project_id)
        phone = e164(event.phone)
        return "; ".join(
            (
                f"project {project!r}",
                f"available {sorted(self.settings.available(project)) if project else None}",
                f"phone at {home(phone) if phone else None}",
                f"previous number {log.previous_number()}",
                f"used {sorted(log.used())}",
                f"end of latest call {log.end_of_latest_call(event.project_id)}",
            )
        )


def _when_no_number(project: ProjectSettings) -> Answer:
    if project.when_no_number == "reject":
        return Answer("rejected", "no_number_available", None)
    return Answer("assigned", None, "anonymous")


def _answer(reply: Reply) -> Answer:
    if isinstance(reply, NumberAssigned):
        return Answer("assigned", reply.number, reply.rule)
    return Answer("rejected", reply.reason, None)


def _about(event: CallRequested, text: str) -> str:
    return f"call {event.call_id!r} of contact {event.contact_id!r} by {event.project_id!r}: {text}"
