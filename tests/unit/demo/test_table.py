from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from schemas.events import REPLY, AssignmentRejected, NumberAssigned, Passed, PassReason, Rule
from worker.demo.showing import Answer, Totals
from worker.demo.table import LiveTable
from worker.words import short_reason

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def assigned(call: int, rule: Rule = "first_call_regional", *reasons: PassReason) -> NumberAssigned:
    return NumberAssigned(
        type="number-assigned",
        call_id=f"call-{call:04}",
        project_id="europe-renewals",
        contact_id=f"c-{call:04}",
        phone="+4915123456789",
        number=None if rule == "anonymous" else "+358912345678",
        anonymous=rule == "anonymous",
        attempt=1,
        rule=rule,
        trail=(
            Passed(rule="agent_number", reason="no_agent_in_request"),
            *(Passed(rule=rule, reason=reason) for reason in reasons),
        ),
        settings_version=7,
        requested_at=NOON,
        assigned_at=NOON,
    )


def rejected() -> AssignmentRejected:
    return AssignmentRejected(
        type="assignment-rejected",
        call_id="call-9999",
        project_id=None,
        contact_id=None,
        reason="no_number_available",
        detail="",
        rejected_at=NOON,
    )


def answer(reply: NumberAssigned | AssignmentRejected, latency_s: float = 0.005) -> Answer:
    return Answer(REPLY.dump_json(reply), reply, latency_s)


def rendered(width: int, height: int, *replies: NumberAssigned | AssignmentRejected) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False, color_system=None)
    table = LiveTable(console)
    for reply in replies:
        table.show(answer(reply))
    with console.capture() as capture:
        console.print(table.render())
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_row_of_the_longest_rule_is_shown_whole(width: int) -> None:
    screen = rendered(width, 24, assigned(7, "first_call_regional", "no_number_in_area"))
    (row,) = [line for line in screen if line.startswith("call-0007")]
    for cell in ("c-0007", " 1 ", "+358912345678", "first_call_regional", "same city or state"):
        assert cell in row


def test_a_wide_terminal_also_shows_phone_and_project() -> None:
    assert not any("+4915123456789" in line for line in rendered(80, 24, assigned(7)))
    (row,) = [line for line in rendered(120, 24, assigned(7)) if line.startswith("call-0007")]
    assert "+4915123456789" in row
    assert "europe-renewals" in row


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 30), (200, 60)])
def test_the_table_fits_the_terminal_and_ends_with_the_latest_call(width: int, height: int) -> None:
    rules: tuple[Rule, ...] = ("agent_number", "previous_number", "random", "regional", "outcome_number", "anonymous")
    screen = rendered(width, height, rejected(), *(assigned(call, rules[call % 6]) for call in range(100)))
    assert len(screen) < height
    assert max(map(len, screen)) <= width
    assert [line[:9] for line in screen if line.startswith("call-")][-1] == "call-0099"


def test_a_rejected_call_is_a_row_and_a_total() -> None:
    screen = rendered(80, 24, rejected())
    assert any(line.startswith("call-9999") and "no number available" in line for line in screen)
    assert any(line.split() == ["rejected", "1"] for line in screen)


def test_ids_that_look_like_markup_are_shown_as_they_are() -> None:
    screen = rendered(120, 24, assigned(1).model_copy(update={"contact_id": "[bold]k[/]"}))
    assert any("[bold]k[/]" in line for line in screen)


def test_totals_tell_rate_and_latency() -> None:
    times_s = iter((100.0, 109.0))
    totals = Totals(clock_s=lambda: next(times_s))
    for call in range(19):
        totals.count(answer(assigned(call), latency_s=call / 1_000))
    assert totals.line() == "19 calls answered, 2.0 a second, latency 9 ms (median), 17 ms (95 %)"


def test_a_single_call_has_no_rate() -> None:
    totals = Totals()
    totals.count(answer(assigned(1)))
    assert totals.line() == "1 call answered"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (assigned(1, "regional"), "same area"),
        (assigned(1, "regional", "no_number_in_area", "no_number_in_place"), "same country"),
        (assigned(1, "first_call_regional", "phone_not_landline"), "no landline: any"),
        (assigned(1, "different_number"), "not shown before"),
        (assigned(1, "different_number", "every_number_used"), "shown longest ago"),
        (assigned(1, "random"), "any"),
        (rejected(), "no number available"),
    ],
)
def test_the_short_reason_tells_the_step_that_chose(reply: NumberAssigned | AssignmentRejected, words: str) -> None:
    assert short_reason(reply) == words
