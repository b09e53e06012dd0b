"""The rules, in the order of the settings page.

A rule either chooses a number or is passed over, and says why. The first that chooses wins. To add one: a row
in `RULES`, its function below, and its name in `schemas.events.Rule`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from schemas.events import PassReason, Rule
from schemas.settings import ProjectSettings
from worker.selection.chance import draw
from worker.selection.history import ContactHistory
from worker.selection.regions import locate
from worker.selection.request import Request
from worker.selection.routing import Project, Routing

Trail = list[tuple[Rule, PassReason]]
"""Each rule that was passed over, or step of one, in order, and why."""


class Case(msgspec.Struct, eq=False, gc=False):
    """One call to be decided, and the trail that its decision leaves."""

    request: Request
    phone: str
    project: Project
    history: ContactHistory
    routing: Routing
    selection_key: bytes
    trail: Trail = []  # of each case its own: msgspec copies it

    def pass_over(self, rule: Rule, reason: PassReason) -> str | None:
        """Note that the rule, or a step of it, does not choose; gives the choice that it makes then: none."""
        self.trail.append((rule, reason))
        return None

    def draw(self, below: int) -> int:
        """Draw for this call; see `chance.draw`."""
        request = self.request
        return draw(below, self.selection_key, request.project_id, request.contact_id, request.call_id)


Choose = Callable[[Case, Rule], str | None]


class _Row(NamedTuple):
    rule: Rule
    calls: Literal["first", "later", "every"]
    setting: Literal["number_for_first_call", "selection_logic"] | None
    value: str
    choose: Choose


def agent_number(case: Case, rule: Rule) -> str | None:
    """Choose the number of the agent's profile, if the project shows agents' numbers.

    It need not be among the project's numbers.
    """
    if case.project.settings.agent_numbers != "use_agent_number":
        return case.pass_over(rule, "project_uses_project_numbers")
    if case.request.agent_id is None:
        return case.pass_over(rule, "no_agent_in_request")
    agent = case.routing.agents.get(case.request.agent_id)
    if agent is None:
        return case.pass_over(rule, "agent_unknown")
    if agent.number is None:
        return case.pass_over(rule, "agent_has_no_number")
    if reason := case.routing.unavailable(agent.number):
        return case.pass_over(rule, reason)
    return agent.number


def previous_number(case: Case, rule: Rule) -> str | None:
    """Keep the number that the contact saw last, whichever project showed it."""
    if not case.project.settings.keep_previous_number:
        return case.pass_over(rule, "previous_number_not_kept")
    if not case.history.projects:
        return case.pass_over(rule, "contact_not_called_before")
    if case.history.last_number is None:
        return case.pass_over(rule, "no_number_shown_before")
    return _if_available(case, rule, case.history.last_number)


def fixed_number(case: Case, rule: Rule) -> str | None:
    """Choose the number that the project names for first calls."""
    return _if_available(case, rule, case.project.settings.number_for_first_call)


def outcome_number(case: Case, rule: Rule) -> str | None:
    """Choose the number that the outcome of the previous call leads to.

    The most specific place that names a number counts: the event, the project's outcome, the account's.
    """
    end = case.history.projects[case.request.project_id].end
    if end is None:
        return case.pass_over(rule, "no_outcome")
    account = case.routing.outcomes.get(end.outcome)
    number = (
        end.next_number or case.project.settings.outcomes.get(end.outcome) or (account.next_number if account else None)
    )
    if number is None:
        return case.pass_over(rule, "outcome_names_no_number")
    return _if_available(case, rule, number)


def at_random(case: Case, rule: Rule) -> str | None:
    """Choose any of the project's numbers."""
    pool = case.project.pool
    return pool.at_random(case.draw) if pool else case.pass_over(rule, "no_number_available")


def different_number(case: Case, rule: Rule) -> str | None:
    """Choose a number that the contact never saw; when it saw all, the one it saw longest ago."""
    pool, history = case.project.pool, case.history
    if not pool:
        return case.pass_over(rule, "no_number_available")
    number = pool.unused(history.uses, case.draw)
    if number is None:
        case.pass_over(rule, "every_number_used")
        number = pool.used_longest_ago(history.uses, previous=history.last_number)
    return number


def regionally_at_random(case: Case, rule: Rule) -> str | None:
    """Choose any of the numbers in the closest tier that has one; any at all for a phone without a region."""
    pool = case.project.pool
    if not pool:
        return case.pass_over(rule, "no_number_available")
    location = locate(case.phone)
    if not location.landline:
        case.pass_over(rule, "phone_not_landline")
        return pool.at_random(case.draw)
    for numbers, reason_if_none in pool.tiers(location):
        if numbers:
            return numbers[case.draw(len(numbers))]
        case.pass_over(rule, reason_if_none)
    return pool.at_random(case.draw)


def _if_available(case: Case, rule: Rule, number: str) -> str | None:
    if reason := case.routing.unavailable_to(case.project, number):
        return case.pass_over(rule, reason)
    return number


_FIXED: Final = "a number"
_ANY: Final = ""

RULES: Final[tuple[_Row, ...]] = (
    _Row("agent_number", "every", None, _ANY, agent_number),
    _Row("previous_number", "first", None, _ANY, previous_number),
    _Row("first_call_number", "first", "number_for_first_call", _FIXED, fixed_number),
    _Row("first_call_random", "first", "number_for_first_call", "random", at_random),
    _Row("first_call_regional", "first", "number_for_first_call", "regionally_random", regionally_at_random),
    _Row("outcome_number", "later", None, _ANY, outcome_number),
    _Row("random", "every", "selection_logic", "random", at_random),
    _Row("different_number", "every", "selection_logic", "different_number", different_number),
    _Row("regional", "every", "selection_logic", "regionally_random", regionally_at_random),
)
"""The settings page, top to bottom: a rule, for which calls, and the setting whose value calls for it. What is
left when none of them chooses is the project's `when_no_number`."""


def rules_for(settings: ProjectSettings, *, first_call: bool) -> tuple[tuple[Rule, Choose], ...]:
    """Give the rules that a first or a later call of the project goes through, in order."""
    number_for_first_call = settings.number_for_first_call
    if number_for_first_call not in ("random", "regionally_random"):
        number_for_first_call = _FIXED
    return _rules_for(number_for_first_call, settings.selection_logic, "first" if first_call else "later")


@lru_cache  # a dozen combinations; walking the table anew would cost more than the rules themselves
def _rules_for(number_for_first_call: str, selection_logic: str, calls: str) -> tuple[tuple[Rule, Choose], ...]:
    in_force = {
        None: _ANY,
        "number_for_first_call": number_for_first_call,
        "selection_logic": selection_logic,
    }
    return tuple(
        (row.rule, row.choose) for row in RULES if row.calls in ("every", calls) and row.value == in_force[row.setting]
    )
