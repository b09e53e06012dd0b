"""Each rule and each value of each setting, in the words of the settings page."""

from collections import Counter

import pytest

from schemas.events import PassReason, Rule
from schemas.settings import AgentSettings, OutcomeSettings, SettingsRecord
from tests.unit.selection.centre import (
    BROOKLYN,
    HELSINKI,
    HOUR_US,
    LOS_ANGELES,
    MOBILE,
    NEW_YORK,
    NUMBERS,
    STOCKHOLM,
    TAMPERE,
    assigned,
    called,
    inventory,
    project,
    request,
)
from worker.selection.history import CallEnd, ContactHistory

EVERYWHERE = (*NUMBERS, NEW_YORK, BROOKLYN, LOS_ANGELES)
ELSEWHERE = "+46899999999"


def numbers_of(
    *records: SettingsRecord, history: ContactHistory | None = None, phone: str = MOBILE, calls: int = 60
) -> Counter[str | None]:
    """The numbers of many calls, each as if it were the contact's next."""
    asked = [request(call_id=f"call-x{n}", phone=phone) for n in range(calls)]
    return Counter(assigned(*records, history=history, asked=one).number for one in asked)


# The setting agent_numbers.


@pytest.mark.parametrize("history", [ContactHistory(), called(HELSINKI, outcome="busy", next_number=HELSINKI)])
def test_use_agent_number_overrides_everything_even_outside_the_projects_list(history: ContactHistory) -> None:
    of_agents = project(numbers=(HELSINKI,), agent_numbers="use_agent_number", number_for_first_call=HELSINKI)
    anna = AgentSettings(agent_id="anna", number=TAMPERE)

    assignment = assigned(of_agents, *inventory(), anna, history=history, asked=request(agent_id="anna"))

    assert (assignment.number, assignment.rule, assignment.trail) == (TAMPERE, "agent_number", [])


@pytest.mark.parametrize(
    ("agent_id", "setting", "reason"),
    [
        ("anna", "use_project_number", "project_uses_project_numbers"),
        (None, "use_agent_number", "no_agent_in_request"),
        ("nobody", "use_agent_number", "agent_unknown"),
        ("numberless", "use_agent_number", "agent_has_no_number"),
        ("resting", "use_agent_number", "number_not_active"),
        ("dangling", "use_agent_number", "number_not_in_inventory"),
    ],
)
def test_without_an_agents_number_to_show_the_project_chooses(
    agent_id: str | None, setting: str, reason: PassReason
) -> None:
    agents = [
        AgentSettings(agent_id="anna", number=TAMPERE),
        AgentSettings(agent_id="numberless"),
        AgentSettings(agent_id="resting", number=STOCKHOLM),
        AgentSettings(agent_id="dangling", number=ELSEWHERE),
    ]
    spring = project(numbers=(HELSINKI,), agent_numbers=setting)

    assignment = assigned(spring, *inventory(resting=[STOCKHOLM]), *agents, asked=request(agent_id=agent_id))

    assert (assignment.number, assignment.rule) == (HELSINKI, "first_call_random")
    assert assignment.trail[0] == ("agent_number", reason)


# The setting keep_previous_number.


def test_keep_previous_number_shows_the_number_of_the_previous_call_by_any_project() -> None:
    spring = project(keep_previous_number=True, number_for_first_call=HELSINKI)

    assignment = assigned(spring, *inventory(), history=called(HELSINKI, TAMPERE, by="autumn"))

    assert (assignment.number, assignment.rule) == (TAMPERE, "previous_number")


def test_keep_previous_number_speaks_of_the_first_call_of_a_project_only() -> None:
    spring = project(keep_previous_number=True, selection_logic="different_number")

    assignment = assigned(spring, *inventory(), history=called(HELSINKI))

    assert assignment.rule == "different_number"
    assert "previous_number" not in dict(assignment.trail)


def test_keep_previous_number_skips_anonymous_calls() -> None:
    spring = project(keep_previous_number=True)

    assert assigned(spring, *inventory(), history=called(TAMPERE, None, by="autumn")).number == TAMPERE


@pytest.mark.parametrize(
    ("keep", "history", "reason"),
    [
        (False, called(TAMPERE, by="autumn"), "previous_number_not_kept"),
        (True, ContactHistory(), "contact_not_called_before"),
        (True, called(None, by="autumn"), "no_number_shown_before"),
        (True, called(ELSEWHERE, by="autumn"), "number_not_in_inventory"),
        (True, called(NEW_YORK, by="autumn"), "number_not_in_project"),
        (True, called(STOCKHOLM, by="autumn"), "number_not_active"),
    ],
)
def test_a_previous_number_that_is_not_kept_or_not_available_falls_to_the_number_for_the_first_call(
    keep: bool,  # noqa: FBT001, a setting's value
    history: ContactHistory,
    reason: PassReason,
) -> None:
    spring = project(keep_previous_number=keep, number_for_first_call=HELSINKI)

    assignment = assigned(spring, *inventory((*NUMBERS, NEW_YORK), resting=[STOCKHOLM]), history=history)

    assert (assignment.number, assignment.rule) == (HELSINKI, "first_call_number")
    assert assignment.trail[1:] == [("previous_number", reason)]


# The setting number_for_first_call.


def test_a_fixed_number_is_shown_in_the_first_call_and_only_there() -> None:
    spring = project(number_for_first_call=TAMPERE, selection_logic="different_number")

    assert assigned(spring, *inventory()).rule == "first_call_number"
    assert numbers_of(spring, *inventory()).keys() == {TAMPERE}
    assert numbers_of(spring, *inventory(), history=called(TAMPERE)).keys() == {HELSINKI, STOCKHOLM}


@pytest.mark.parametrize(
    ("logic", "rule"),
    [("random", "random"), ("different_number", "different_number"), ("regionally_random", "regional")],
)
@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        (STOCKHOLM, "number_not_active"),
        (ELSEWHERE, "number_not_in_inventory"),
        (NEW_YORK, "number_not_in_project"),
    ],
)
def test_a_fixed_number_that_is_not_available_falls_to_the_selection_logic(
    logic: str, rule: Rule, fixed: str, reason: PassReason
) -> None:
    spring = project(number_for_first_call=fixed, selection_logic=logic)

    assignment = assigned(spring, *inventory((*NUMBERS, NEW_YORK), resting=[STOCKHOLM]))

    assert assignment.rule == rule
    assert ("first_call_number", reason) in assignment.trail


@pytest.mark.parametrize("logic", ["random", "different_number", "regionally_random"])
def test_random_first_call_shows_any_of_the_numbers_whatever_the_selection_logic(logic: str) -> None:
    spring = project(number_for_first_call="random", selection_logic=logic)
    history = called(*NUMBERS, by="autumn")

    assert assigned(spring, *inventory(), history=history).rule == "first_call_random"
    assert numbers_of(spring, *inventory(), history=history).keys() == set(NUMBERS)


def test_regionally_random_first_call_shows_a_number_of_the_region() -> None:
    spring = project(numbers=EVERYWHERE, number_for_first_call="regionally_random", selection_logic="random")
    records = (spring, *inventory(EVERYWHERE))

    assert assigned(*records, asked=request(phone="+12125550199")).rule == "first_call_regional"
    assert numbers_of(*records, phone="+12125550199").keys() == {NEW_YORK}


# The setting selection_logic, random.


def test_random_shows_any_of_the_numbers_each_as_often() -> None:
    drawn = numbers_of(project(), *inventory(), history=called(HELSINKI), calls=3_000)

    assert assigned(project(), *inventory(), history=called(HELSINKI)).rule == "random"
    assert drawn.keys() == set(NUMBERS)
    assert min(drawn.values()) > 900  # 1,000 each, give or take 26


@pytest.mark.parametrize("field", ["call_id", "contact_id", "project_id"])
def test_each_id_of_a_call_has_a_part_in_the_draw(field: str) -> None:
    projects = [project(project_id=f"p{n}") for n in range(40)]
    base = {"call_id": "c", "contact_id": "k", "project_id": "p0"}
    asked = [request(**(base | {field: f"p{n}"})) for n in range(40)]

    assert {assigned(*projects, *inventory(), asked=one).number for one in asked} == set(NUMBERS)


# The setting selection_logic, different_number.


def test_different_number_shows_a_number_never_used_with_the_contact_by_any_project() -> None:
    history = called(HELSINKI)
    history.record_call("autumn", "call-a", TAMPERE, HOUR_US)
    spring = project(selection_logic="different_number")

    assert numbers_of(spring, *inventory(), history=history).keys() == {STOCKHOLM}


def test_different_number_draws_among_all_the_unused_numbers_each_as_often() -> None:
    spring = project(numbers=EVERYWHERE, selection_logic="different_number")
    drawn = numbers_of(spring, *inventory(EVERYWHERE), history=called(HELSINKI, NEW_YORK), calls=4_000)

    assert drawn.keys() == set(EVERYWHERE) - {HELSINKI, NEW_YORK}
    assert min(drawn.values()) > 900


def test_different_number_shows_the_number_used_longest_ago_when_all_were_used() -> None:
    spring = project(selection_logic="different_number")

    assignment = assigned(spring, *inventory(), history=called(TAMPERE, STOCKHOLM, TAMPERE, HELSINKI))

    assert assignment.number == STOCKHOLM
    assert assignment.trail[-1] == ("different_number", "every_number_used")


def test_different_number_leaves_the_previous_number_out_even_if_its_use_is_dated_oldest() -> None:
    history = called(HELSINKI, TAMPERE)
    history.record_call("autumn", "call-a", STOCKHOLM, -HOUR_US)
    spring = project(selection_logic="different_number")

    assert assigned(spring, *inventory(), history=history).number == HELSINKI


def test_different_number_shows_the_previous_number_if_it_is_the_only_one() -> None:
    spring = project(selection_logic="different_number", numbers=(HELSINKI,))

    assert assigned(spring, *inventory(), history=called(TAMPERE, HELSINKI)).number == HELSINKI


def test_different_number_counts_an_agents_number_as_used() -> None:
    spring = project(selection_logic="different_number", agent_numbers="use_agent_number")
    anna = AgentSettings(agent_id="anna", number=TAMPERE)
    shown = assigned(spring, *inventory(), anna, history=called(HELSINKI), asked=request(agent_id="anna"))

    assert shown.number == TAMPERE
    assert numbers_of(spring, *inventory(), anna, history=called(HELSINKI, shown.number)).keys() == {STOCKHOLM}


# The setting selection_logic, regionally_random.


@pytest.mark.parametrize(
    ("phone", "numbers", "passed"),
    [
        ("+12125550199", {NEW_YORK}, []),
        ("+16465550199", {NEW_YORK, BROOKLYN}, ["no_number_in_area"]),
        ("+13125550199", {NEW_YORK, BROOKLYN, LOS_ANGELES}, ["no_number_in_area", "no_number_in_place"]),
        ("+390612345678", set(EVERYWHERE), ["no_number_in_area", "no_number_in_place", "no_number_in_country"]),
        ("+358401234567", set(EVERYWHERE), ["phone_not_landline"]),
        ("+18005550199", set(EVERYWHERE), ["phone_not_landline"]),
        ("+19005550199", set(EVERYWHERE), ["phone_not_landline"]),
    ],
    ids=["area", "state", "country", "abroad", "mobile", "toll-free", "premium"],
)
@pytest.mark.parametrize(
    ("history", "rule"), [(ContactHistory(), "first_call_regional"), (called(HELSINKI), "regional")]
)
def test_regionally_random_shows_a_number_of_the_closest_tier_that_has_one(
    phone: str, numbers: set[str], passed: list[PassReason], history: ContactHistory, rule: Rule
) -> None:
    spring = project(numbers=EVERYWHERE, number_for_first_call="regionally_random", selection_logic="regionally_random")
    records = (spring, *inventory(EVERYWHERE))

    assignment = assigned(*records, history=history, asked=request(phone=phone))

    assert assignment.rule == rule
    assert [reason for passed_rule, reason in assignment.trail if passed_rule == rule] == passed
    assert numbers_of(*records, history=history, phone=phone).keys() == numbers


def test_a_resting_number_of_the_area_leaves_the_wider_tier() -> None:
    spring = project(numbers=EVERYWHERE, number_for_first_call="regionally_random")

    assert numbers_of(spring, *inventory(EVERYWHERE, [NEW_YORK]), phone="+12125550199").keys() == {BROOKLYN}


# The setting outcomes.


@pytest.mark.parametrize(
    ("of_event", "of_project", "of_account", "number"),
    [
        (HELSINKI, TAMPERE, STOCKHOLM, HELSINKI),
        (None, TAMPERE, STOCKHOLM, TAMPERE),
        (None, None, STOCKHOLM, STOCKHOLM),
    ],
)
def test_the_outcome_of_the_previous_call_chooses_by_the_most_specific_place(
    of_event: str | None, of_project: str | None, of_account: str | None, number: str
) -> None:
    spring = project(outcomes={"busy": of_project} if of_project else {})
    account = OutcomeSettings(outcome="busy", next_number=of_account)

    assignment = assigned(spring, *inventory(), account, history=called(HELSINKI, outcome="busy", next_number=of_event))

    assert (assignment.number, assignment.rule) == (number, "outcome_number")


@pytest.mark.parametrize(
    ("next_number", "reason"),
    [
        (STOCKHOLM, "number_not_active"),
        (ELSEWHERE, "number_not_in_inventory"),
        (NEW_YORK, "number_not_in_project"),
    ],
)
@pytest.mark.parametrize("place", ["event", "project"])
def test_an_outcomes_number_that_is_not_available_falls_to_the_selection_logic_not_to_the_next_place(
    next_number: str, reason: PassReason, place: str
) -> None:
    event = next_number if place == "event" else None
    spring = project(
        outcomes={"busy": next_number if place == "project" else TAMPERE}, selection_logic="different_number"
    )
    records = (
        spring,
        *inventory((*NUMBERS, NEW_YORK), resting=[STOCKHOLM]),
        OutcomeSettings(outcome="busy", next_number=TAMPERE),
    )
    history = called(TAMPERE, outcome="busy", next_number=event)

    assignment = assigned(*records, history=history)

    assert (assignment.number, assignment.rule) == (HELSINKI, "different_number")
    assert ("outcome_number", reason) in assignment.trail


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(None, "no_outcome"), ("deal", "outcome_names_no_number"), ("odd", "outcome_names_no_number")],
)
def test_without_an_outcome_that_names_a_number_the_selection_logic_decides(
    outcome: str | None, reason: PassReason
) -> None:
    spring = project(outcomes={"busy": HELSINKI})

    assignment = assigned(
        spring, *inventory(), OutcomeSettings(outcome="deal"), history=called(HELSINKI, outcome=outcome)
    )

    assert assignment.rule == "random"
    assert assignment.trail[-1] == ("outcome_number", reason)


def test_the_settings_of_the_next_calls_decision_resolve_what_the_outcome_said() -> None:
    history = called(HELSINKI, outcome="busy")

    before = assigned(project(outcomes={"busy": TAMPERE}), *inventory(), history=history)
    after = assigned(project(outcomes={"busy": STOCKHOLM}), *inventory(), history=history)

    assert (before.number, after.number) == (TAMPERE, STOCKHOLM)


def test_a_late_outcome_of_an_older_call_does_not_choose() -> None:
    history = called(HELSINKI, TAMPERE)
    history.record_outcome("spring", "call-0", CallEnd("busy", STOCKHOLM, 9 * HOUR_US))

    assert ("outcome_number", "no_outcome") in assigned(project(), *inventory(), history=history).trail


def test_an_outcome_does_not_choose_for_another_project() -> None:
    history = called(HELSINKI, outcome="busy", next_number=STOCKHOLM)
    history.record_call("autumn", "call-a", HELSINKI, HOUR_US)
    autumn = project(project_id="autumn")

    assignment = assigned(autumn, *inventory(), history=history, asked=request(project_id="autumn"))

    assert ("outcome_number", "no_outcome") in assignment.trail


def test_the_outcome_of_an_anonymous_call_chooses() -> None:
    history = called(HELSINKI, None, outcome="busy", next_number=STOCKHOLM)

    assert assigned(project(), *inventory(), history=history).number == STOCKHOLM


def test_an_outcome_number_does_not_choose_a_first_call() -> None:
    history = ContactHistory()
    history.record_outcome("spring", "call-9", CallEnd("busy", STOCKHOLM, 0))

    assert assigned(project(number_for_first_call=HELSINKI), *inventory(), history=history).number == HELSINKI
