"""Exact percentiles: by nearest rank, of all values, without buckets or interpolation."""

from collections.abc import Sequence
from math import ceil


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed. `ordered` is ascending and not empty."""
    if not ordered:
        raise ValueError("there are no values")
    return ordered[max(0, ceil(percent * len(ordered) / 100) - 1)]
