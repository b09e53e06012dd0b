"""Each setting of the page, through the command line: a settings file, a worker process, a dialer."""

from collections.abc import AsyncIterator

import pytest

from tests.end_to_end.centre import HELSINKI, PHONE, STOCKHOLM, TAMPERE, Centre

NEW_YORK, BUFFALO, AUSTIN = "+12125550101", "+17165550102", "+15125550103"
NYC_PHONE, ALBANY_PHONE, DENVER_PHONE = "+12125550190", "+15185550191", "+13035550192"
AGENT_NUMBER, RETIRED = "+358401112233", "+358912345699"

SETTINGS = f"""
numbers:
  - {{number: "{HELSINKI}"}}
  - {{number: "{TAMPERE}"}}
  - {{number: "{STOCKHOLM}"}}
  - {{number: "{NEW_YORK}"}}
  - {{number: "{BUFFALO}"}}
  - {{number: "{AUSTIN}"}}
  - {{number: "{AGENT_NUMBER}"}}
  - {{number: "{RETIRED}", active: false}}
projects:
  - {{project_id: fixed, numbers: ["{HELSINKI}", "{TAMPERE}"], number_for_first_call: "{TAMPERE}"}}
  - {{project_id: fixed-retired, numbers: ["{HELSINKI}", "{RETIRED}"], number_for_first_call: "{RETIRED}"}}
  - {{project_id: random, numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"]}}
  - project_id: regional
    numbers: ["{NEW_YORK}", "{BUFFALO}", "{AUSTIN}", "{HELSINKI}"]
    number_for_first_call: regionally_random
    selection_logic: regionally_random
  - {{project_id: keep, numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"], keep_previous_number: true}}
  - {{project_id: keep-elsewhere, numbers: ["{AUSTIN}"], keep_previous_number: true}}
  - project_id: different
    numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"]
    selection_logic: different_number
  - project_id: outcomes
    numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"]
    selection_logic: different_number
    outcomes: {{busy: "{TAMPERE}"}}
  - {{project_id: agents, numbers: ["{HELSINKI}"], agent_numbers: use_agent_number}}
  - {{project_id: no-agents, numbers: ["{HELSINKI}"]}}
  - {{project_id: empty-anonymous, numbers: ["{RETIRED}"]}}
  - {{project_id: empty-reject, numbers: ["{RETIRED}"], when_no_number: reject}}
agents:
  - {{agent_id: anna, number: "{AGENT_NUMBER}"}}
  - {{agent_id: bert}}
outcomes:
  - {{outcome: busy, next_number: "{STOCKHOLM}"}}
  - {{outcome: voicemail, next_number: "{STOCKHOLM}"}}
"""


@pytest.fixture(scope="module")
async def page(kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("page"))
    await centre.open(SETTINGS)
    yield centre
    await centre.close()


async def test_the_number_for_the_first_call_is_the_fixed_one(page: Centre) -> None:
    reply = await page.call("fixed", "fixed-1")
    assert (reply["number"], reply["rule"], reply["attempt"]) == (TAMPERE, "first_call_number", 1)


async def test_a_fixed_number_that_is_not_active_falls_to_the_selection_logic(page: Centre) -> None:
    reply = await page.call("fixed-retired", "fixed-2")
    assert (reply["number"], reply["rule"]) == (HELSINKI, "random")
    assert {"rule": "first_call_number", "reason": "number_not_active"} in reply["trail"]


async def test_the_first_call_at_random_shows_every_number_to_some(page: Centre) -> None:
    replies = [await page.call("random", f"random-{contact}") for contact in range(30)]
    assert {reply["number"] for reply in replies} == {HELSINKI, TAMPERE, STOCKHOLM}
    assert {reply["rule"] for reply in replies} == {"first_call_random"}


async def test_later_calls_at_random_show_every_number_at_some_time(page: Centre) -> None:
    replies = [await page.call("random", "random-later") for _ in range(30)]
    assert {reply["number"] for reply in replies} == {HELSINKI, TAMPERE, STOCKHOLM}
    assert [reply["rule"] for reply in replies] == ["first_call_random", *["random"] * 29]
    assert [reply["attempt"] for reply in replies] == list(range(1, 31))


@pytest.mark.parametrize(
    ("phone", "number"), [(NYC_PHONE, NEW_YORK), ("+19565550100", AUSTIN), ("+358931234567", HELSINKI)]
)
async def test_regionally_random_shows_the_closest_number(page: Centre, phone: str, number: str) -> None:
    first = await page.call("regional", f"regional{phone}", phone=phone)
    later = await page.call("regional", f"regional{phone}", phone=phone)
    assert (first["number"], first["rule"]) == (number, "first_call_regional")
    assert (later["number"], later["rule"]) == (number, "regional")


async def test_regionally_random_goes_from_area_to_state_to_country(page: Centre) -> None:
    in_state = [await page.call("regional", f"albany-{n}", phone=ALBANY_PHONE) for n in range(20)]
    assert {reply["number"] for reply in in_state} == {NEW_YORK, BUFFALO}
    in_country = [await page.call("regional", f"denver-{n}", phone=DENVER_PHONE) for n in range(30)]
    assert {reply["number"] for reply in in_country} == {NEW_YORK, BUFFALO, AUSTIN}


async def test_a_mobile_is_shown_any_number_under_regionally_random(page: Centre) -> None:
    replies = [await page.call("regional", f"mobile-{n}", phone=PHONE) for n in range(40)]
    assert {reply["number"] for reply in replies} == {NEW_YORK, BUFFALO, AUSTIN, HELSINKI}
    assert all({"rule": "first_call_regional", "reason": "phone_not_landline"} in reply["trail"] for reply in replies)


async def test_a_first_call_keeps_the_number_of_another_projects_call(page: Centre) -> None:
    before = await page.call("fixed", "keep-1")
    reply = await page.call("keep", "keep-1")
    assert (reply["number"], reply["rule"], reply["attempt"]) == (before["number"], "previous_number", 1)


async def test_a_previous_number_that_the_project_may_not_show_is_passed_over(page: Centre) -> None:
    await page.call("fixed", "keep-2")
    reply = await page.call("keep-elsewhere", "keep-2")
    assert (reply["number"], reply["rule"]) == (AUSTIN, "first_call_random")
    assert {"rule": "previous_number", "reason": "number_not_in_project"} in reply["trail"]


async def test_a_different_number_is_shown_until_all_were_then_the_oldest(page: Centre) -> None:
    replies = [await page.call("different", "different-1") for _ in range(6)]
    numbers = [reply["number"] for reply in replies]
    assert set(numbers[:3]) == {HELSINKI, TAMPERE, STOCKHOLM}
    assert numbers[3:] == numbers[:3]


async def test_different_number_counts_what_other_projects_showed(page: Centre) -> None:
    await page.call("fixed", "different-2")
    replies = [await page.call("different", "different-2") for _ in range(3)]
    assert TAMPERE not in [reply["number"] for reply in replies if reply["rule"] == "different_number"][:1]


async def test_the_events_next_number_comes_before_the_settings(page: Centre) -> None:
    call = await page.call("outcomes", "outcome-1")
    await page.outcome("outcomes", "outcome-1", call["call_id"], "busy", next_number=HELSINKI)
    reply = await page.call("outcomes", "outcome-1")
    assert (reply["number"], reply["rule"]) == (HELSINKI, "outcome_number")


async def test_the_projects_outcome_comes_before_the_accounts(page: Centre) -> None:
    call = await page.call("outcomes", "outcome-2")
    await page.outcome("outcomes", "outcome-2", call["call_id"], "busy")
    reply = await page.call("outcomes", "outcome-2")
    assert (reply["number"], reply["rule"]) == (TAMPERE, "outcome_number")


async def test_the_accounts_outcome_serves_every_project(page: Centre) -> None:
    call = await page.call("outcomes", "outcome-3")
    await page.outcome("outcomes", "outcome-3", call["call_id"], "voicemail")
    reply = await page.call("outcomes", "outcome-3")
    assert (reply["number"], reply["rule"]) == (STOCKHOLM, "outcome_number")


async def test_a_late_outcome_of_an_older_call_decides_nothing(page: Centre) -> None:
    older = await page.call("outcomes", "outcome-4")
    await page.call("outcomes", "outcome-4")
    await page.outcome("outcomes", "outcome-4", older["call_id"], "busy", next_number=HELSINKI)
    reply = await page.call("outcomes", "outcome-4")
    assert reply["rule"] == "different_number"
    assert {"rule": "outcome_number", "reason": "no_outcome"} in reply["trail"]


async def test_an_outcome_before_its_call_waits_for_it(page: Centre) -> None:
    await page.outcome("outcomes", "outcome-5", "early-call", "busy")
    await page.call("outcomes", "outcome-5", call_id="early-call")
    reply = await page.call("outcomes", "outcome-5")
    assert (reply["number"], reply["rule"]) == (TAMPERE, "outcome_number")


async def test_an_outcomes_number_that_is_not_available_falls_to_the_selection_logic(page: Centre) -> None:
    call = await page.call("outcomes", "outcome-6")
    await page.outcome("outcomes", "outcome-6", call["call_id"], "busy", next_number=RETIRED)
    reply = await page.call("outcomes", "outcome-6")
    assert reply["rule"] == "different_number"
    assert {"rule": "outcome_number", "reason": "number_not_active"} in reply["trail"]


async def test_the_agents_number_overrides_all_though_the_project_does_not_list_it(page: Centre) -> None:
    first = await page.call("agents", "agent-1", agent_id="anna")
    assert (first["number"], first["rule"], first["agent_id"]) == (AGENT_NUMBER, "agent_number", "anna")
    await page.outcome("agents", "agent-1", first["call_id"], "busy", next_number=HELSINKI)
    assert (await page.call("agents", "agent-1", agent_id="anna"))["rule"] == "agent_number"


@pytest.mark.parametrize(
    ("agent", "reason"), [("bert", "agent_has_no_number"), ("carl", "agent_unknown"), (None, "no_agent_in_request")]
)
async def test_without_an_agents_number_the_projects_numbers_serve(
    page: Centre, agent: str | None, reason: str
) -> None:
    reply = await page.call("agents", f"agent-{agent}", agent_id=agent)
    assert (reply["number"], reply["rule"]) == (HELSINKI, "first_call_random")
    assert {"rule": "agent_number", "reason": reason} in reply["trail"]


async def test_a_project_may_leave_agents_numbers_aside(page: Centre) -> None:
    reply = await page.call("no-agents", "agent-2", agent_id="anna")
    assert (reply["number"], reply["rule"]) == (HELSINKI, "first_call_random")


async def test_without_a_number_the_call_is_anonymous_and_counts(page: Centre) -> None:
    first = await page.call("empty-anonymous", "nobody-1")
    second = await page.call("empty-anonymous", "nobody-1")
    assert (first["number"], first["anonymous"], first["rule"]) == (None, True, "anonymous")
    assert (first["attempt"], second["attempt"]) == (1, 2)


async def test_without_a_number_the_call_is_rejected_and_does_not_count(page: Centre) -> None:
    reply = await page.call("empty-reject", "nobody-2")
    assert (reply["type"], reply["reason"]) == ("assignment-rejected", "no_number_available")


async def test_an_unknown_project_and_an_impossible_phone_are_rejected(page: Centre) -> None:
    assert (await page.call("autumn", "nobody-3"))["reason"] == "unknown_project"
    assert (await page.call("fixed", "nobody-3", phone="040 123 4567"))["reason"] == "invalid_phone"
