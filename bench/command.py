"""The command line: which rows to measure, how thoroughly, and what to print."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import click

from bench import figures
from bench.ground import servers
from bench.machine import described
from bench.plan import CORE, FULL, QUICK, ROWS, Bench, Effort, Report
from tests.services.program import ServiceError

DOCS: Final = Path(__file__).parents[1] / "docs"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--quick", is_flag=True, help="The core rows, once, with fewer events: under a minute.")
@click.option("--rows", multiple=True, type=click.Choice(list(ROWS)), help="Only this row; may be given again.")
@click.option("--runs", type=click.IntRange(1), help="How often each is measured; 3, or 1 with --quick.")
@click.option("--events", type=click.IntRange(1_000), help="Events in a backlog; 200,000, or 60,000 with --quick.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the tables.")
@click.option("--write", is_flag=True, help="Write tables and plots into docs/ too; takes the extra `bench`.")
def main(  # noqa: PLR0913 - its flags
    *, quick: bool, rows: tuple[str, ...], runs: int | None, events: int | None, as_json: bool, write: bool
) -> None:
    """Measure the worker on a Kafka and a Redis of its own: progress on standard error, tables on standard output.

    Exit codes: 0 measured, whatever the figures say; 1 a row could not be measured; 2 wrong use.
    """
    effort = _effort(QUICK if quick else FULL, runs, events)
    wanted = [row for row in ROWS if row in (rows or (CORE if quick else ROWS))]
    try:
        with servers() as started:
            bench = Bench(started, effort)
            for row in wanted:
                bench.measure(row)
    except ServiceError as error:
        raise click.ClickException(str(error)) from error
    report = bench.report
    click.echo(json.dumps(to_json(report)) if as_json else to_text(report))
    if write:
        # matplotlib is of the extra `bench`, and takes half a second.
        from bench.documents import write_documents  # noqa: PLC0415

        write_documents(report, DOCS)
    for row, why in report.failures.items():
        click.echo(f"{row} could not be measured: {why}", err=True)
    if report.failures:
        raise SystemExit(1)


def to_text(report: Report) -> str:
    """The tables in Markdown."""
    parts = [described()]
    if report.figures:
        parts.append(figures.table(report.figures))
    if report.profile is not None:
        parts.append(figures.costs(report.profile.us_per_event))
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


def _effort(effort: Effort, runs: int | None, events: int | None) -> Effort:
    load = replace(effort.load, events=events or effort.load.events)
    return replace(effort, runs=runs or effort.runs, load=load)
