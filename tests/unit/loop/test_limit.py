"""The limit on the share of dead letters: which batches are admitted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.loop.limit import NO_LIMIT_PERCENT, DeadLetterLimit


def admitted(limit: DeadLetterLimit, *batches: str) -> list[bool]:
    """Judge batches, written as `.` for a good record and `x` for a bad one."""
    return [
        limit.admits(len(batch), (position for position, record in enumerate(batch) if record == "x"))
        for batch in batches
    ]


def test_a_share_up_to_the_limit_is_admitted_and_more_is_not() -> None:
    assert admitted(DeadLetterLimit(50, 10), "xxxxx") == [True]
    assert admitted(DeadLetterLimit(50, 10), "xxxxxx") == [False]


def test_the_first_records_of_a_new_worker_may_be_bad() -> None:
    assert admitted(DeadLetterLimit(50, 10), "x", "xx", "xx", "x") == [True, True, True, False]


def test_good_records_between_make_room_for_bad_ones() -> None:
    assert admitted(DeadLetterLimit(50, 10), "xxxxx", ".....", "x", "xxxx", "x") == [True, True, True, True, False]


def test_a_batch_longer_than_the_window_is_judged_record_by_record() -> None:
    limit = DeadLetterLimit(50, 10)
    assert admitted(limit, "x." * 20, "." * 20 + "xxxxxx" + "." * 20) == [True, False]


def test_a_batch_that_is_not_admitted_is_not_counted_and_may_come_again_in_parts() -> None:
    limit = DeadLetterLimit(50, 10)
    assert admitted(limit, "xxxxxx", "xxxxxx") == [False, False]
    assert limit.is_exceeded
    assert admitted(limit, "xxxxx") == [True]
    assert not limit.is_exceeded


def test_what_another_worker_has_taken_is_not_waited_with() -> None:
    limit = DeadLetterLimit(50, 10)
    assert admitted(limit, "xxxxxx") == [False]
    limit.nothing_waits()
    assert not limit.is_exceeded


@given(st.lists(st.text("x.", max_size=30)))
def test_no_limit_admits_all(batches: list[str]) -> None:
    assert all(admitted(DeadLetterLimit(NO_LIMIT_PERCENT, 10), *batches))


@pytest.mark.parametrize("percent", [0, 1])
def test_a_limit_below_one_record_of_the_window_admits_no_dead_letter(percent: int) -> None:
    assert admitted(DeadLetterLimit(percent, 10), ".", "x") == [True, False]


@given(st.integers(0, 100), st.integers(1, 20), st.lists(st.text("x.", max_size=30)))
def test_the_share_never_passes_the_limit_and_nothing_within_it_is_held_up(
    percent: int, window: int, batches: list[str]
) -> None:
    limit = DeadLetterLimit(percent, window)
    handled = "." * window
    for batch in batches:
        together = handled + batch
        ends = range(len(handled) + 1, len(together) + 1)
        fits = all(together[end - window : end].count("x") * 100 <= percent * window for end in ends)
        assert admitted(limit, batch) == [fits]
        assert limit.is_exceeded is not fits
        if fits:
            handled = together
