from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.selection.centre import BROOKLYN, HELSINKI, LOS_ANGELES, NEW_YORK, NUMBERS, STOCKHOLM, TAMPERE
from worker.selection import uses
from worker.selection.pool import Draw, pool_of
from worker.selection.regions import locate

MANY = tuple(f"+35891234{n:04}" for n in range(20))


def place(n: int) -> Draw:
    """A draw that comes out at one place."""
    return lambda _below: n


def test_a_number_listed_twice_is_one_number() -> None:
    pool = pool_of([HELSINKI, TAMPERE, HELSINKI])

    assert len(pool) == 2
    assert Counter(pool.at_random(place(n)) for n in range(2)) == {HELSINKI: 1, TAMPERE: 1}


def test_a_pool_knows_its_numbers() -> None:
    pool = pool_of([HELSINKI])

    assert HELSINKI in pool
    assert TAMPERE not in pool
    assert not pool_of([])


def test_any_number_may_be_drawn_once_for_each_place_of_the_draw() -> None:
    pool = pool_of(MANY)

    assert sorted(pool.at_random(place(n)) for n in range(len(MANY))) == sorted(MANY)


@given(st.sets(st.sampled_from(MANY), max_size=19), st.lists(st.sampled_from(NUMBERS), max_size=2))
def test_each_unused_number_is_drawn_by_one_place_of_the_draw(used: set[str], strangers: list[str]) -> None:
    pool = pool_of(MANY)
    unused = [number for number in MANY if number not in used]

    def unused_at(n: int) -> str | None:
        def draw(below: int) -> int:
            assert below == len(unused)
            return n

        return pool.unused(uses.pack(dict.fromkeys([*used, *strangers], 0)), draw)

    assert [unused_at(n) for n in range(len(unused))] == sorted(unused)


@pytest.mark.parametrize("strangers", [[], [NEW_YORK]])
def test_of_numbers_that_were_all_used_none_is_unused(strangers: list[str]) -> None:
    assert pool_of(NUMBERS).unused(uses.pack(dict.fromkeys([*NUMBERS, *strangers], 0)), place(0)) is None


def test_as_many_uses_as_numbers_leave_one_unused_if_a_stranger_is_among_them() -> None:
    first, *others = sorted(NUMBERS)
    assert pool_of(NUMBERS).unused(uses.pack(dict.fromkeys([*others, "+358501234567"], 0)), place(0)) == first


def test_the_number_with_the_oldest_use_was_used_longest_ago() -> None:
    used = uses.pack({HELSINKI: 30, TAMPERE: 10, STOCKHOLM: 20, NEW_YORK: 1})

    assert pool_of(NUMBERS).used_longest_ago(used, previous=HELSINKI) == TAMPERE


def test_the_previous_number_is_left_out_even_if_its_use_is_the_oldest() -> None:
    used = uses.pack({HELSINKI: 30, TAMPERE: 10, STOCKHOLM: 20})

    assert pool_of(NUMBERS).used_longest_ago(used, previous=TAMPERE) == STOCKHOLM


def test_the_previous_number_comes_again_if_it_is_the_only_one() -> None:
    assert pool_of([HELSINKI]).used_longest_ago(uses.pack({HELSINKI: 30}), previous=HELSINKI) == HELSINKI


def test_the_tiers_around_a_landline_widen_from_area_to_place_to_country() -> None:
    pool = pool_of([HELSINKI, NEW_YORK, BROOKLYN, LOS_ANGELES])

    assert list(pool.tiers(locate("+12125550199"))) == [
        ([NEW_YORK], "no_number_in_area"),
        ([NEW_YORK, BROOKLYN], "no_number_in_place"),
        ([NEW_YORK, LOS_ANGELES, BROOKLYN], "no_number_in_country"),
    ]


def test_there_are_no_numbers_near_a_far_country() -> None:
    assert [list(numbers) for numbers, _ in pool_of(NUMBERS).tiers(locate("+390612345678"))] == [[], [], []]


@pytest.mark.parametrize("phone", ["+2125550199", "+46912345678"])
def test_an_equal_area_of_another_country_is_another_area(phone: str) -> None:
    tiers = list(pool_of([NEW_YORK, HELSINKI]).tiers(locate(phone)))

    assert [list(numbers) for numbers, _ in tiers] == [[], [], []]
