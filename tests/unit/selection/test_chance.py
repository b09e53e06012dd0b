from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from math import e, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.selection.chance import MAX_KEY_BYTES, draw

KEY = b"a key of the tests"
DRAWS = 20_000
text = st.text(max_size=5) | st.text("0123456789:", max_size=5)
calls = st.tuples(text, text, text)


def looks_like_chance(counts: Sequence[int], freedoms: int) -> bool:
    """Whether even counts are expected and these are neither too uneven nor too even (chi-square, 3.3 sigma)."""
    expected = sum(counts) / len(counts)
    chi_square: float = sum((count - expected) ** 2 for count in counts) / expected
    # Wilson and Hilferty: the cube root of a chi-square over its freedoms is close to normal.
    spread = 2 / (9 * freedoms)
    deviation: float = ((chi_square / freedoms) ** (1 / 3) - (1 - spread)) / sqrt(spread)
    return abs(deviation) < 3.3


def look_independent(pairs: Iterable[tuple[int, int]], below: int) -> bool:
    table = Counter(pairs)
    return looks_like_chance([table[cell] for cell in product(range(below), range(below))], below**2 - 1)


@pytest.mark.parametrize("below", [2, 3, 5, 7, 10, 16, 100, 1_000])
def test_every_number_is_as_likely(below: int) -> None:
    counts = Counter(draw(below, KEY, "spring", f"contact-{n}", "call-1") for n in range(DRAWS))

    assert set(counts) <= set(range(below))
    assert looks_like_chance([counts[n] for n in range(below)], below - 1)


def test_every_number_is_as_likely_over_the_calls_of_one_contact() -> None:
    counts = Counter(draw(10, KEY, "spring", "contact-1", f"call-{n}") for n in range(DRAWS))

    assert looks_like_chance([counts[n] for n in range(10)], 9)


def test_twenty_thousand_numbers_are_all_in_reach() -> None:
    below = 20_000
    counts = Counter(draw(below, KEY, "spring", f"contact-{n}", "call-1") for n in range(below))
    tenths = Counter(number * 10 // below for number in counts.elements())

    assert set(counts) <= set(range(below))
    assert looks_like_chance([tenths[n] for n in range(10)], 9)
    # Draws with replacement leave one in e of the numbers out.
    assert len(counts) == pytest.approx(below * (1 - 1 / e), rel=0.02)


def test_one_number_is_always_drawn() -> None:
    assert {draw(1, KEY, "spring", "contact-1", f"call-{n}") for n in range(1_000)} == {0}


@pytest.mark.parametrize("below", [2, 5])
def test_a_contacts_next_call_is_drawn_independently(below: int) -> None:
    draws = [[draw(below, KEY, "spring", f"contact-{n}", f"call-{call}") for call in (1, 2)] for n in range(DRAWS)]

    assert look_independent(((first, second) for first, second in draws), below)


@pytest.mark.parametrize("below", [2, 5])
def test_projects_draw_independently(below: int) -> None:
    draws = [
        [draw(below, KEY, project, f"contact-{n}", "call-1") for project in ("spring", "autumn")] for n in range(DRAWS)
    ]

    assert look_independent(((first, second) for first, second in draws), below)


def test_another_key_draws_independently() -> None:
    draws = [[draw(5, key, "spring", f"contact-{n}", "call-1") for key in (KEY, b"another")] for n in range(DRAWS)]

    assert look_independent(((first, second) for first, second in draws), 5)


def test_the_same_call_draws_the_same_years_later() -> None:
    # Written down once: a change of these would choose other numbers for calls of the past.
    assert [draw(20_000, KEY, "spring", "contact-1", f"call-{n}") for n in range(3)] == [3806, 1113, 5057]


@given(calls, calls)
def test_no_two_calls_are_taken_for_each_other(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert (draw(2**64, KEY, *first) == draw(2**64, KEY, *second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("ab", "c", ""), ("a", "bc", "")),
        (("", "ab", "c"), ("", "a", "bc")),
        (("", "a", ""), ("a", "", "")),
        (("1:a", "", ""), ("", "a", "")),
        (("a1:b", "", ""), ("a", "b", "")),
        (("é", "", ""), ("e\N{COMBINING ACUTE ACCENT}", "", "")),
        (("", "", "\ud800"), ("", "", "\udfff")),
    ],
)
def test_ids_are_kept_apart(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert draw(2**64, KEY, *first) != draw(2**64, KEY, *second)


def test_the_longest_key_is_used_whole() -> None:
    longest = b"k" * MAX_KEY_BYTES

    assert draw(2**64, longest, "a", "b", "c") != draw(2**64, longest[:-1] + b"l", "a", "b", "c")
