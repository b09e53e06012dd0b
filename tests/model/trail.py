"""Each rule as a step: the numbers that it may choose, and what may truly be said of it if it chose none.

The reasons that a step gives are those that hold when the rule is passed over, or, for a step within a rule (a
region without numbers), those that hold although the rule chose.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.events import CallRequested
from schemas.settings import ProjectSettings
from tests.model.log import ContactLog
from tests.model.places import home, tiers
from tests.model.settings import Settings


class Step(NamedTuple):
    """A rule's turn. `required` are the true reasons that the trail must give, in order; `true` are all of them."""

    rule: str
    numbers: frozenset[str]
    true: frozenset[str]
    required: tuple[str, ...] = ()
    may_be_silent: bool = False


def choices(
    event: CallRequested, phone: str, project: ProjectSettings, settings: Settings, log: ContactLog
) -> Iterator[Step]:
    """The rules that have a say in a request, in the order of the contract."""
    yield _agent(event, project, settings)
    available = settings.available(project)
    first = not log.calls(project.project_id)
    if not first:
        yield _outcome(project, settings, log)
        yield _drawn(project.selection_logic, phone, available, log, first=False)
        return
    yield _previous(project, settings, log)
    if project.number_for_first_call in ("random", "regionally_random"):
        yield _drawn(project.number_for_first_call, phone, available, log, first=True)
        # Comes to nothing over the same numbers: whether it had a say, the contract leaves open.
        yield _drawn(project.selection_logic, phone, available, log, first=False)._replace(may_be_silent=True)
        return
    fixed = project.number_for_first_call
    reasons = _why_unavailable(fixed, project, settings)
    yield Step("first_call_number", frozenset({fixed} & available), reasons)
    yield _drawn(project.selection_logic, phone, available, log, first=False)


def trail_complaints(trail: Sequence[tuple[str, str]], chosen: str, steps: Sequence[Step]) -> list[str]:
    """What is wrong with a trail, given the steps up to the one that chose (or all of them, if none did)."""
    found = []
    for step in steps:
        given = [reason for rule, reason in trail if rule == step.rule]
        found += [f"trail says of {step.rule} {r!r}, which is not true" for r in given if r not in step.true]
        if len(set(given)) != len(given):
            found.append(f"trail repeats itself on {step.rule}: {given}")
        if step.rule == chosen or step.required:
            told = [reason for reason in given if reason in step.required]
            if told != list(step.required):
                found.append(f"trail should say of {step.rule} {step.required}, says {given}")
        if step.rule != chosen and not given and not step.may_be_silent:
            found.append(f"trail does not say why {step.rule} was passed over")
    order = [step.rule for step in steps]
    told_order = [rule for rule, _ in trail]
    if told_order != sorted(told_order, key=lambda r: order.index(r) if r in order else -1):
        found.append(f"trail {trail} is not in the order of the rules {order}")
    found += [f"trail tells of {rule}, which had no say" for rule in told_order if rule not in order]
    return found


def _agent(event: CallRequested, project: ProjectSettings, settings: Settings) -> Step:
    agent = settings.agent(event.agent_id) if event.agent_id is not None else None
    number = agent.number if agent is not None else None
    said = {
        "project_uses_project_numbers": project.agent_numbers == "use_project_number",
        "no_agent_in_request": event.agent_id is None,
        "agent_unknown": event.agent_id is not None and agent is None,
        "agent_has_no_number": agent is not None and number is None,
        "number_not_in_inventory": number is not None and settings.in_inventory(number) is None,
        "number_not_active": number is not None and settings.in_inventory(number) is not None,
    }
    if project.agent_numbers == "use_agent_number" and number is not None and settings.is_active(number):
        return Step("agent_number", frozenset({number}), frozenset())
    return Step("agent_number", frozenset(), frozenset(reason for reason, holds in said.items() if holds))


def _previous(project: ProjectSettings, settings: Settings, log: ContactLog) -> Step:
    number = log.previous_number()
    if project.keep_previous_number and number in settings.available(project):
        return Step("previous_number", frozenset({number}), frozenset())
    said = {
        "previous_number_not_kept": not project.keep_previous_number,
        "contact_not_called_before": not log.calls(),
        "no_number_shown_before": bool(log.calls()) and number is None,
    }
    reasons = {reason for reason, holds in said.items() if holds} | _why_unavailable(number, project, settings)
    return Step("previous_number", frozenset(), frozenset(reasons))


def _outcome(project: ProjectSettings, settings: Settings, log: ContactLog) -> Step:
    end = log.end_of_latest_call(project.project_id)
    if end is None:
        return Step("outcome_number", frozenset(), frozenset({"no_outcome"}))
    number = settings.number_after(project, end.outcome, end.next_number)
    if number is None:
        return Step("outcome_number", frozenset(), frozenset({"outcome_names_no_number"}))
    reasons = _why_unavailable(number, project, settings)
    return Step("outcome_number", frozenset({number} & settings.available(project)), reasons)


def _drawn(how: str, phone: str, available: set[str], log: ContactLog, *, first: bool) -> Step:
    if how == "different_number":
        return _different(available, log)
    if how == "random":
        rule = "first_call_random" if first else "random"
        reasons = frozenset() if available else frozenset({"no_number_available"})
        return Step(rule, frozenset(available), reasons)
    return _regional("first_call_regional" if first else "regional", phone, available)


def _different(available: set[str], log: ContactLog) -> Step:
    if not available:
        return Step("different_number", frozenset(), frozenset({"no_number_available"}))
    unused = available - log.used()
    if unused:
        return Step("different_number", frozenset(unused), frozenset())
    candidates = available - {log.previous_number()} or available
    last_uses = {number: log.last_use(number) for number in candidates}
    longest_ago = min(use for use in last_uses.values() if use is not None)
    chosen = frozenset(number for number, use in last_uses.items() if use == longest_ago)
    return Step("different_number", chosen, frozenset({"every_number_used"}), ("every_number_used",))


def _regional(rule: str, phone: str, available: set[str]) -> Step:
    if not home(phone).landline:
        reasons = {"phone_not_landline"} | (set() if available else {"no_number_available"})
        return Step(rule, frozenset(available), frozenset(reasons), ("phone_not_landline",) if available else ())
    if not available:
        return Step(rule, frozenset(), frozenset({"no_number_available", *(t for t, _, _ in tiers(phone, set()))}))
    required: list[str] = []
    true: set[str] = set()
    for reason, numbers, known in tiers(phone, available):
        if numbers:
            return Step(rule, frozenset(numbers), frozenset(true), tuple(required))
        true.add(reason)
        if known:
            required.append(reason)
    return Step(rule, frozenset(available), frozenset(true), tuple(required))


def _why_unavailable(number: str | None, project: ProjectSettings, settings: Settings) -> frozenset[str]:
    if number is None:
        return frozenset()
    known = settings.in_inventory(number)
    said = {
        "number_not_in_project": number not in project.numbers,
        "number_not_in_inventory": known is None,
        "number_not_active": known is not None and not known.active,
    }
    return frozenset(reason for reason, holds in said.items() if holds)
