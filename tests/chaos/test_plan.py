"""The plan of faults can be replayed, and has what it is there for."""

from collections import Counter

from tests.chaos.plan import HOLDS_S, KINDS, MAIN, full_plan, short_plan


def test_a_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert full_plan(7, 400) == full_plan(7, 400) != full_plan(8, 400)
    assert short_plan(7) == short_plan(7) != short_plan(8)


def test_the_full_plan_has_every_kind_equally_often_and_the_longer_the_oftener() -> None:
    assert Counter(fault.kind for fault in full_plan(7, 400)) == dict.fromkeys(KINDS, 2)
    assert Counter(fault.kind for fault in full_plan(7, 1_200)) == dict.fromkeys(KINDS, 6)
    assert set(KINDS) == set(HOLDS_S)


def test_the_short_plan_has_each_main_kind_once() -> None:
    assert sorted(fault.kind for fault in short_plan(7)) == sorted(MAIN)
