"""What was measured, as text, as JSON, and in docs/."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench import figures
from bench.machine import described
from bench.plan import WORKER, Report

BEGIN: Final = "<!-- written by make bench: begin -->"
END: Final = "<!-- written by make bench: end -->"


class MarkersMissingError(Exception):
    """The page has no place for the tables."""


def to_text(report: Report) -> str:
    """The tables in Markdown."""
    parts = [described()]
    if report.figures:
        parts.append(figures.table(report.figures))
    if report.profile is not None:
        parts.append(figures.costs(report.profile.us_per_event))
    parts += [f"`{row}` could not be measured." for row in report.failures]
    return "\n\n".join(parts)


def to_json(report: Report) -> dict[str, Any]:
    """All figures, and what the plots are made from."""
    return {
        "machine": described(),
        "figures": [figure.to_json() for figure in report.figures],
        "stages": None if report.profile is None else asdict(report.profile),
        "drains": {who: [asdict(each) for each in drains] for who, drains in report.drains.items()},
        "latencies": {when: [asdict(each) for each in runs] for when, runs in report.latencies.items()},
        "failures": report.failures,
    }


def write_documents(report: Report, folder: Path) -> None:
    """Write the tables into their place in performance.md, and the plots beside it. Raises `MarkersMissingError`."""
    # matplotlib is in the extra `bench` only, and takes half a second.
    from bench.plots import plot_latency, plot_throughput  # noqa: PLC0415

    page = folder / "performance.md"
    page.write_text(replaced(page.read_text(encoding="utf-8"), to_text(report)), encoding="utf-8")
    if report.drains:
        plot_throughput(report.drains, WORKER, folder / "throughput.svg")
    if report.latencies:
        plot_latency(report.latencies, folder / "latency.svg")


def replaced(page: str, text: str) -> str:
    """The page with other text between its markers. Raises `MarkersMissingError`."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise MarkersMissingError(f"the page needs two lines: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
