"""The plots of docs/performance.md."""

from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path
from statistics import median
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator

from bench.figures import shown
from bench.percentiles import percentile
from bench.rows.backlog import Drain
from bench.rows.latency import Latency

_OURS: Final = "#1f6feb"
_THEIRS: Final = "#b7bfc9"
_INK: Final = "#24292f"
_FAINT: Final = "#d8dee4"
_CURVES: Final = ("#1f6feb", "#d9480f")

_PERCENTS: Final = (0, 50, 90, 99, 99.9)
_FIRST_PERCENT: Final = 1
_LAST_PERCENT: Final = 99.95
_STEPS: Final = 400

_STYLE: Final = {
    "font.size": 11,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "bench",  # the same figures give the same file
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.edgecolor": _FAINT,
    "grid.color": _FAINT,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 12,
}


def plot_throughput(drains: Mapping[str, Sequence[Drain]], ours: str, file: Path) -> None:
    """CPU per event and events per second of the worker and its rivals, medians, on scales of powers of ten."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(10, 0.7 + 0.55 * len(drains)), layout="constrained")
        left, right = canvas.subplots(1, 2, sharey=True)
        names = list(drains)[::-1]
        colours = [_OURS if name == ours else _THEIRS for name in names]
        us = [median(each.us_per_event for each in drains[name]) for name in names]
        rates = [median(each.events_per_s for each in drains[name]) for name in names]
        for axes, title, values in (
            (left, "CPU per event, µs (log scale)", us),
            (right, "Events per second (log scale)", rates),
        ):
            bars = axes.barh(names, values, color=colours, height=0.62)
            axes.bar_label(bars, [shown(value) for value in values], padding=4)
            axes.set_xscale("log")
            axes.set_xlim(min(values) / 3, max(values) * 4)
            axes.set_title(title)
            _quiet(axes)
        _save(canvas, file)


def plot_latency(latencies: Mapping[str, Sequence[Latency]], file: Path) -> None:
    """How long calls wait, by percentile, of all runs together; both scales stretch as they go."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(10, 4.2), layout="constrained")
        axes = canvas.subplots()
        first, last = _stretched(_FIRST_PERCENT), _stretched(_LAST_PERCENT)
        stretched = [first + (last - first) * step / _STEPS for step in range(_STEPS + 1)]
        for (name, runs), colour in zip(latencies.items(), _CURVES, strict=False):
            waits_ms = sorted(wait_ms for run in runs for wait_ms in run.waits_ms)
            axes.plot(
                stretched, [percentile(waits_ms, _percent(x)) for x in stretched], color=colour, linewidth=2, label=name
            )
            for percent in (50, 99):
                value = percentile(waits_ms, percent)
                axes.plot(_stretched(percent), value, "o", color=colour, markersize=5)
                axes.annotate(
                    f"p{percent} {shown(value)} ms",
                    (_stretched(percent), value),
                    xytext=(5, -16),
                    textcoords="offset points",
                    color=colour,
                )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.xaxis.set_major_locator(FixedLocator([_stretched(percent) for percent in _PERCENTS]))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{percent:g}" for percent in _PERCENTS]))
        axes.set_xlim(0, last)
        axes.set_xlabel("percent of the calls that waited no longer")
        axes.set_title("From a call's due time to its number with the dialer, ms")
        axes.grid(visible=True, which="major")
        axes.legend(frameon=False, loc="upper left")
        _save(canvas, file)


def _stretched(percent: float) -> float:
    """Where a percentile stands: each nine as far from the one before."""
    return -log10(1 - percent / 100)


def _percent(stretched: float) -> float:
    return float(100 * (1 - 10**-stretched))


def _quiet(axes: Any) -> None:  # noqa: ANN401 - matplotlib is not there where types are checked
    axes.tick_params(axis="both", length=0)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _save(canvas: Canvas, file: Path) -> None:
    canvas.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, facecolor="white")
