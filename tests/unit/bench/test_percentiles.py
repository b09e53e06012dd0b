"""Percentiles by nearest rank."""

import pytest

from bench.percentiles import percentile


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (1.1, 2), (50, 50), (99, 99), (99.1, 100), (99.9, 100), (100, 100)]
)
def test_of_a_hundred_values_each_percent_has_its_own(percent: float, value: float) -> None:
    assert percentile(range(1, 101), percent) == value


def test_one_value_is_all_of_its_percentiles() -> None:
    assert percentile([7.5], 50) == percentile([7.5], 99) == 7.5


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
