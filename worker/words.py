"""Rules, reasons and histories in words, for people."""

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.events import AssignmentRejected, NumberAssigned, PassReason, Rule
from worker.selection import uses
from worker.selection.history import ContactHistory, instant

RULES: Final[Mapping[Rule, str]] = {
    "agent_number": "the agent's own number",
    "previous_number": "the number of the previous call",
    "first_call_number": "the project's number for first calls",
    "first_call_random": "random, for the first call",
    "first_call_regional": "regionally random, for the first call",
    "outcome_number": "the number that the previous call's outcome leads to",
    "random": "random",
    "different_number": "a number the contact has not seen",
    "regional": "regionally random",
    "anonymous": "no number to show: anonymous",
}

REASONS: Final[Mapping[PassReason, str]] = {
    "project_uses_project_numbers": "the project shows its own numbers",
    "no_agent_in_request": "the request names no agent",
    "agent_unknown": "the settings do not have the agent",
    "agent_has_no_number": "the agent has no number",
    "number_not_in_project": "that number is not among the project's",
    "number_not_in_inventory": "the inventory does not have that number",
    "number_not_active": "that number is not active",
    "previous_number_not_kept": "the project does not keep it",
    "contact_not_called_before": "the contact was not called before",
    "no_number_shown_before": "the earlier calls were anonymous",
    "no_outcome": "the previous call has no outcome",
    "outcome_names_no_number": "that outcome leads to no number",
    "phone_not_landline": "the phone is not a landline, so the whole pool is open",
    "no_number_in_area": "none in the phone's area",
    "no_number_in_place": "none in its city or state",
    "no_number_in_country": "none in its country",
    "every_number_used": "the contact has seen them all, so the one it saw longest ago",
    "no_number_available": "the project has no available number",
}

_SHORT: Final[Mapping[Rule, str]] = {
    "agent_number": "the agent's own",
    "previous_number": "kept from last call",
    "first_call_number": "fixed first number",
    "first_call_random": "any",
    "first_call_regional": "same area",
    "outcome_number": "outcome's number",
    "random": "any",
    "different_number": "not shown before",
    "regional": "same area",
    "anonymous": "none available",
}

_SHORT_STEP: Final[Mapping[PassReason, str]] = {
    "phone_not_landline": "no landline: any",
    "no_number_in_area": "same city or state",
    "no_number_in_place": "same country",
    "no_number_in_country": "no region fits: any",
    "every_number_used": "shown longest ago",
}
"""What a rule comes to after its own steps that did not choose."""


def short_reason(reply: NumberAssigned | AssignmentRejected) -> str:
    """Why, in some 20 characters: a column of a table."""
    if isinstance(reply, AssignmentRejected):
        return reply.reason.replace("_", " ")
    last_step = reply.trail[-1].reason if reply.trail else None
    return _SHORT_STEP.get(last_step, _SHORT[reply.rule]) if last_step else _SHORT[reply.rule]


def explain_reply(reply: NumberAssigned | AssignmentRejected) -> list[str]:
    """A reply, told in lines: what came of the call, and each rule that was passed over before."""
    if isinstance(reply, AssignmentRejected):
        return [f"call {reply.call_id}: rejected, {reply.reason}: {reply.detail}"]
    number = reply.number or "anonymous"
    call = (
        f"call {reply.call_id} ({reply.requested_at.isoformat()}, project {reply.project_id}, attempt {reply.attempt})"
    )
    return [
        f"{call}: {number}, by {reply.rule}: {RULES[reply.rule]}",
        *(f"  passed over {each.rule}: {REASONS[each.reason]}" for each in reply.trail),
    ]


def explain_history(history: ContactHistory) -> Iterator[str]:
    """What is known of a contact, told in lines."""
    if not (history.projects or history.waiting):
        yield "Nothing is known of this contact."
        return
    yield f"Last number shown: {history.last_number or 'none'}"
    for project_id, calls in history.projects.items():
        yield f"Project {project_id}: {calls.attempts} attempts, latest call {calls.latest_call}"
        if calls.end is not None:
            number = f", next number {calls.end.next_number}" if calls.end.next_number else ""
            yield f"  its outcome: {calls.end.outcome}{number}"
    for number, at_us in uses.unpack(history.uses).items():
        yield f"Number {number}: last shown {instant(at_us).isoformat()}"
    for waiting in history.waiting:
        yield f"Waiting for call {waiting.call_id} of project {waiting.project_id}: outcome {waiting.end.outcome}"
