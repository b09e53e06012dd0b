import pytest

from schemas.settings import AgentSettings, SettingsRecord
from tests.unit.selection.centre import (
    HELSINKI,
    MOBILE,
    NUMBERS,
    STOCKHOLM,
    TAMPERE,
    assigned,
    called,
    decided,
    inventory,
    project,
    request,
)
from worker.selection.decision import Rejection
from worker.selection.history import ContactHistory


def test_a_call_of_a_project_that_the_settings_do_not_know_is_rejected() -> None:
    decision = decided(project(), *inventory(), asked=request(project_id="autumn"))

    assert isinstance(decision, Rejection)
    assert decision.reason == "unknown_project"
    assert "'autumn'" in decision.detail


@pytest.mark.parametrize("phone", ["0401234567", "+358", "+99912345678", "anna", "+3584012345678901234"])
def test_a_phone_that_is_not_a_possible_number_is_rejected(phone: str) -> None:
    decision = decided(project(), *inventory(), asked=request(phone=phone))

    assert isinstance(decision, Rejection)
    assert decision.reason == "invalid_phone"


def test_a_possible_phone_that_the_metadata_does_not_know_is_called() -> None:
    assert assigned(project(), *inventory(), asked=request(phone="+12375550123")).number is not None


def test_an_invalid_phone_is_rejected_even_if_no_rule_would_look_at_it() -> None:
    of_agents = project(agent_numbers="use_agent_number")
    anna = AgentSettings(agent_id="anna", number=HELSINKI)

    decision = decided(of_agents, *inventory(), anna, asked=request(phone="anna", agent_id="anna"))

    assert isinstance(decision, Rejection)


def test_the_phone_is_given_in_e164() -> None:
    assert assigned(project(), *inventory(), asked=request(phone="+358 (40) 123-4567")).phone == MOBILE


def test_the_attempts_of_the_project_are_counted_from_1() -> None:
    history = called(HELSINKI, None, by="spring")
    history.record_call("autumn", "call-a", HELSINKI, 0)

    assert assigned(project(), *inventory()).attempt == 1
    assert assigned(project(), *inventory(), history=history).attempt == 3


@pytest.mark.parametrize(
    ("numbers", "records"),
    [
        pytest.param((), inventory(), id="none in the project"),
        pytest.param(NUMBERS, inventory(resting=NUMBERS), id="none active"),
        pytest.param(NUMBERS, inventory(["+3589111111"]), id="none in the inventory"),
    ],
)
@pytest.mark.parametrize("logic", ["random", "different_number", "regionally_random"])
@pytest.mark.parametrize("first", ["random", "regionally_random", HELSINKI])
@pytest.mark.parametrize("history", [ContactHistory(), called(HELSINKI)], ids=["first call", "later call"])
def test_when_no_number_is_available_the_project_says_whether_the_call_is_anonymous_or_rejected(
    numbers: tuple[str, ...], records: list[SettingsRecord], logic: str, first: str, history: ContactHistory
) -> None:
    settings = {"numbers": numbers, "number_for_first_call": first, "selection_logic": logic}

    assignment = assigned(project(**settings, when_no_number="anonymous"), *records, history=history)
    rejection = decided(project(**settings, when_no_number="reject"), *records, history=history)

    assert (assignment.number, assignment.rule) == (None, "anonymous")
    assert assignment.trail[-1][1] == "no_number_available"
    assert assignment.attempt == history.attempts("spring") + 1
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "no_number_available"


def test_the_trail_names_each_rule_that_was_passed_over_in_order_and_why() -> None:
    of_all = project(
        agent_numbers="use_agent_number",
        keep_previous_number=True,
        number_for_first_call=TAMPERE,
        selection_logic="different_number",
    )
    history = called("+46899999999", by="autumn")

    assignment = assigned(of_all, *inventory(resting=[TAMPERE]), history=history, asked=request(agent_id="anna"))

    assert assignment.trail == [
        ("agent_number", "agent_unknown"),
        ("previous_number", "number_not_in_inventory"),
        ("first_call_number", "number_not_active"),
    ]
    assert assignment.rule == "different_number"
    assert assignment.number in {HELSINKI, STOCKHOLM}
