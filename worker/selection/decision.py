"""The decision: a pure function of the request, the contact's history and the settings.

Same inputs, same answer, on every replica, years later.
"""

import msgspec

from schemas.events import RejectionReason, Rule
from worker.selection.history import ContactHistory
from worker.selection.phone import to_e164
from worker.selection.request import Request
from worker.selection.routing import Routing
from worker.selection.rules import Case, Trail, rules_for


class Assignment(msgspec.Struct, frozen=True, gc=False):
    """The number that a call shows (`None`: it is anonymous), and how that came about."""

    phone: str
    number: str | None
    rule: Rule
    trail: Trail
    attempt: int


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why a call is given no number; `detail` is for people."""

    reason: RejectionReason
    detail: str


def decide(request: Request, history: ContactHistory, routing: Routing, selection_key: bytes) -> Assignment | Rejection:
    """Choose the number for a call that was not decided before. Changes nothing."""
    project = routing.projects.get(request.project_id)
    if project is None:
        return Rejection("unknown_project", f"the settings have no project {request.project_id!r}")
    phone = to_e164(request.phone)
    if phone is None:
        return Rejection(
            "invalid_phone", "phone is not a possible number: give it international, +, country code, number"
        )
    attempt = history.attempts(request.project_id) + 1
    case = Case(request, phone, project, history, routing, selection_key)
    for rule, choose in rules_for(project.settings, first_call=attempt == 1):
        number = choose(case, rule)
        if number is not None:
            return Assignment(phone, number, rule, case.trail, attempt)
    if project.settings.when_no_number == "reject":
        return Rejection(
            "no_number_available",
            f"no number that project {request.project_id!r} lists is active in the inventory",
        )
    return Assignment(phone, None, "anonymous", case.trail, attempt)
