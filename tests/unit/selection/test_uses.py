"""Packed uses of numbers, against a dict."""

from hypothesis import given
from hypothesis import strategies as st

from worker.selection import uses

NUMBERS = st.sampled_from([f"+{n}" for n in (12, 3589, 46812345678, 358912345678, 999999999999999)])
TIMES_US = st.integers(-5, 5) | st.integers(-(2**57), 2**57)


@given(st.lists(st.tuples(NUMBERS, TIMES_US)))
def test_each_number_has_the_time_of_its_latest_use(told: list[tuple[str, int]]) -> None:
    packed, known = uses.NONE, dict[str, int]()
    for number, at_us in told:
        packed = uses.with_use(packed, number, at_us)
        known[number] = max(at_us, known.get(number, at_us))
    assert uses.unpack(packed) == known
    assert packed == uses.pack(known)  # the same uses are the same bytes, in whatever order they were told
    assert uses.count(packed) == len(known)
    oldest_first = sorted((at_us, int(number)) for number, at_us in known.items())
    assert list(uses.oldest_first(packed)) == [(number, at_us) for at_us, number in oldest_first]
    assert list(uses.numbers(packed)) == [number for _, number in oldest_first]
    if known:
        assert list(uses.oldest_first(uses.without_oldest(packed))) == list(uses.oldest_first(packed))[1:]


def test_a_use_is_the_digits_and_the_time_in_eight_bytes_each_the_least_significant_first() -> None:
    assert uses.pack({"+358": -2}) == b"\x66\x01" + 6 * b"\0" + b"\xfe" + 7 * b"\xff"
