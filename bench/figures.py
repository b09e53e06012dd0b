"""The figures: what was measured in each run, against its bar and its aim. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Literal

Verdict = Literal["reaches the aim", "passes", "MISSES", ""]

_WHOLE_FROM: Final = 100
"""From here on decimals say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table. Without a bar it is there to be seen beside the others."""

    name: str
    unit: str
    runs: Sequence[float]
    bar: float | None = None
    aim: float | None = None
    more_is_better: bool = False

    @property
    def median(self) -> float:
        """Of all runs."""
        return median(self.runs)

    @property
    def verdict(self) -> Verdict:
        """What the median says of the bar and the aim."""
        if self.bar is None:
            return ""
        if not self._keeps_to(self.bar):
            return "MISSES"
        return "reaches the aim" if self.aim is not None and self._keeps_to(self.aim) else "passes"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "runs": list(self.runs),
            "median": self.median,
            "min": min(self.runs),
            "max": max(self.runs),
            "bar": self.bar,
            "aim": self.aim,
            "more_is_better": self.more_is_better,
            "verdict": self.verdict,
        }

    def _keeps_to(self, limit: float) -> bool:
        return self.median >= limit if self.more_is_better else self.median <= limit


def shown(value: float) -> str:
    """A value as people read it."""
    if abs(value) >= _WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"


_HEADINGS: Final = ("figure", "unit", "median", "min to max", "runs", "bar", "aim", "")


def table(figures: Sequence[Figure]) -> str:
    """The figures as a table in Markdown."""
    return _markdown([_HEADINGS, *(_row(figure) for figure in figures)])


def costs(us_per_event: dict[str, float]) -> str:
    """The cost by stage as a table in Markdown."""
    total = sum(us_per_event.values())
    rows = [(stage, f"{us:.1f}", f"{us / total:.0%}") for stage, us in us_per_event.items()]
    return _markdown([("stage", "CPU µs per event", "share"), *rows, ("all", f"{total:.1f}", "100%")])


def _row(figure: Figure) -> tuple[str, ...]:
    sign = "≥" if figure.more_is_better else "≤"
    return (
        figure.name,
        figure.unit,
        shown(figure.median),
        f"{shown(min(figure.runs))} to {shown(max(figure.runs))}" if len(figure.runs) > 1 else "",
        str(len(figure.runs)),
        "" if figure.bar is None else f"{sign} {shown(figure.bar)}",
        "" if figure.aim is None else f"{sign} {shown(figure.aim)}",
        figure.verdict,
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
