import msgspec
import pytest

from tests.unit.selection.centre import HELSINKI, HOUR_US, STOCKHOLM, TAMPERE, called
from worker.selection import uses
from worker.selection.history import (
    MAX_NUMBERS,
    MAX_PROJECTS,
    MAX_WAITING,
    WAITING_US,
    CallEnd,
    ContactHistory,
    instant,
    microseconds,
)

BUSY, DEAL = CallEnd("busy", None, HOUR_US), CallEnd("deal", TAMPERE, 2 * HOUR_US)


def end_of(history: ContactHistory, project_id: str = "spring") -> CallEnd | None:
    return history.projects[project_id].end


def test_times_are_exact_to_the_microsecond() -> None:
    assert microseconds(instant(1_772_442_000_123_457)) == 1_772_442_000_123_457
    assert instant(-1).isoformat() == "1969-12-31T23:59:59.999999+00:00"


def test_attempts_are_counted_per_project() -> None:
    history = called(HELSINKI, TAMPERE)
    history.record_call("autumn", "call-a", HELSINKI, 0)

    assert [history.attempts(p) for p in ("spring", "autumn", "never")] == [2, 1, 0]


def test_the_last_number_is_that_of_the_last_call_handled_by_any_project() -> None:
    history = called(HELSINKI)
    history.record_call("autumn", "call-a", TAMPERE, -HOUR_US)

    assert history.last_number == TAMPERE


def test_an_anonymous_call_counts_as_an_attempt_and_as_the_latest_call_and_leaves_the_numbers() -> None:
    history = called(HELSINKI, outcome="busy")
    history.record_call("spring", "hidden", None, HOUR_US)

    assert history.attempts("spring") == 2
    assert (history.last_number, uses.unpack(history.uses)) == (HELSINKI, {HELSINKI: 0})
    assert end_of(history) is None
    history.record_outcome("spring", "hidden", BUSY)
    assert end_of(history) == BUSY


def test_a_number_is_dated_by_its_latest_use_whatever_the_order_of_handling() -> None:
    history = ContactHistory()
    for at_us in (2, 3, 1):
        history.record_call("spring", f"call-{at_us}", HELSINKI, at_us)

    assert uses.unpack(history.uses) == {HELSINKI: 3}


def test_an_outcome_of_the_latest_call_counts() -> None:
    history = called(HELSINKI)

    assert history.record_outcome("spring", "call-0", BUSY)
    assert end_of(history) == BUSY
    assert history.waiting == []


def test_a_new_call_forgets_the_outcome_of_the_one_before() -> None:
    history = called(HELSINKI, outcome="busy")
    history.record_call("spring", "call-1", TAMPERE, HOUR_US)

    assert end_of(history) is None


def test_a_late_outcome_of_an_older_call_never_overrides() -> None:
    history = called(HELSINKI, TAMPERE)
    history.record_outcome("spring", "call-1", BUSY)
    history.record_outcome("spring", "call-0", DEAL)

    assert end_of(history) == BUSY


def test_an_outcome_counts_only_in_the_project_that_it_names() -> None:
    history = called(HELSINKI)
    history.record_call("autumn", "call-0", TAMPERE, 0)
    history.record_outcome("autumn", "call-0", BUSY)

    assert (end_of(history), end_of(history, "autumn")) == (None, BUSY)


@pytest.mark.parametrize("order", [(BUSY, DEAL), (DEAL, BUSY)])
def test_of_several_outcomes_of_a_call_the_last_by_time_counts(order: tuple[CallEnd, CallEnd]) -> None:
    history, waiting = called(HELSINKI), ContactHistory()
    for end in order:
        history.record_outcome("spring", "call-0", end)
        waiting.record_outcome("spring", "call-0", end)
    waiting.record_call("spring", "call-0", HELSINKI, 0)

    assert end_of(history) == end_of(waiting) == DEAL


@pytest.mark.parametrize("order", [(BUSY, CallEnd("deal", None, HOUR_US)), (CallEnd("deal", None, HOUR_US), BUSY)])
def test_of_outcomes_at_the_same_time_the_one_handled_later_counts(order: tuple[CallEnd, CallEnd]) -> None:
    history, waiting = called(HELSINKI), ContactHistory()
    for end in order:
        history.record_outcome("spring", "call-0", end)
        waiting.record_outcome("spring", "call-0", end)
    waiting.record_call("spring", "call-0", HELSINKI, 0)

    assert end_of(history) == end_of(waiting) == order[1]


def test_an_outcome_that_comes_before_its_call_waits_for_it() -> None:
    history = called(HELSINKI)
    assert history.record_outcome("spring", "call-1", DEAL)
    history.record_outcome("spring", "call-2", BUSY)
    assert end_of(history) is None

    history.record_call("spring", "call-1", STOCKHOLM, HOUR_US)

    assert end_of(history) == DEAL
    assert [waiting.call_id for waiting in history.waiting] == ["call-2"]


def test_an_outcome_waits_for_the_call_of_its_own_project() -> None:
    history = ContactHistory()
    history.record_outcome("autumn", "call-0", DEAL)
    history.record_call("spring", "call-0", HELSINKI, HOUR_US)

    assert end_of(history) is None
    assert len(history.waiting) == 1


def test_the_same_outcome_delivered_again_changes_nothing() -> None:
    history = called(HELSINKI)
    for call_id in ("call-0", "call-1"):
        history.record_outcome("spring", call_id, BUSY)
        before = msgspec.json.encode(history)

        assert not history.record_outcome("spring", call_id, BUSY)
        assert msgspec.json.encode(history) == before


def test_the_sixteen_newest_outcomes_wait() -> None:
    history = ContactHistory()
    for n in [MAX_WAITING, *range(MAX_WAITING)]:  # the newest first: it is the time that counts
        history.record_outcome("spring", f"call-{n}", CallEnd("busy", None, n))

    assert MAX_WAITING == 16
    assert {w.call_id for w in history.waiting} == {f"call-{n}" for n in range(1, 17)}


@pytest.mark.parametrize(("late_us", "end"), [(0, CallEnd("busy", None, 0)), (1, None)])
def test_an_outcome_waits_up_to_24_hours_for_its_call(late_us: int, end: CallEnd | None) -> None:
    history = ContactHistory()
    history.record_outcome("spring", "call-0", CallEnd("busy", None, 0))
    history.record_call("spring", "call-0", HELSINKI, 24 * HOUR_US + late_us)

    assert end_of(history) == end
    assert history.waiting == []


def test_any_event_more_than_24_hours_later_ends_a_wait() -> None:
    by_call, by_outcome = ContactHistory(), called(HELSINKI)
    for history in (by_call, by_outcome):
        history.record_outcome("spring", "call-1", CallEnd("busy", None, 0))
    by_call.record_call("autumn", "call-a", HELSINKI, WAITING_US + 1)
    by_outcome.record_outcome("spring", "call-0", CallEnd("busy", None, WAITING_US + 1))

    assert by_call.waiting == by_outcome.waiting == []


def test_an_outcome_that_ends_a_wait_says_that_it_changed_something() -> None:
    # What it says decides whether the history is stored: an end of a wait that it keeps quiet about would be
    # forgotten, or not, by what else is in the batch.
    history = called(HELSINKI)
    late = CallEnd("busy", None, WAITING_US + 1)
    history.record_outcome("spring", "call-0", late)
    history.record_outcome("spring", "call-1", CallEnd("deal", None, 0))

    assert history.record_outcome("spring", "call-0", late)
    assert history.waiting == []


def test_an_outcome_said_again_while_it_waits_is_the_last_one_handled() -> None:
    history = ContactHistory()
    deal = CallEnd("deal", None, BUSY.occurred_at_us)
    for end in (BUSY, deal, BUSY):
        history.record_outcome("spring", "call-0", end)
    history.record_call("spring", "call-0", HELSINKI, 0)

    assert end_of(history) == BUSY  # as when its call is known already


def test_the_thousand_numbers_used_last_are_remembered() -> None:
    history = ContactHistory()
    for n in [MAX_NUMBERS, *range(MAX_NUMBERS)]:
        history.record_call("spring", f"call-{n}", f"+{10_000 + n}", n)

    assert MAX_NUMBERS == 1_000
    assert uses.unpack(history.uses).keys() == {f"+{10_000 + n}" for n in range(1, 1_001)}


def test_the_thousand_projects_called_last_are_remembered() -> None:
    history = ContactHistory()
    for n in [*range(MAX_PROJECTS), 0, MAX_PROJECTS]:
        history.record_call(f"project-{n}", "call", HELSINKI, n)

    assert MAX_PROJECTS == 1_000
    assert history.projects.keys() == {f"project-{n}" for n in range(MAX_PROJECTS + 1) if n != 1}
    assert history.attempts("project-0") == 2
