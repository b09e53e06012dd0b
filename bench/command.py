"""The command line: which rows to measure, how thoroughly, and what to print."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from bench.documents import to_json, to_text, write_documents
from bench.ground import servers
from bench.plan import CORE, FULL, QUICK, ROWS, Bench, Effort
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
    if write and (quick or rows):
        raise click.UsageError("--write takes all rows, in full: leave out --quick and --rows")
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
        write_documents(report, DOCS)
    if report.failures:
        raise SystemExit(1)


def _effort(effort: Effort, runs: int | None, events: int | None) -> Effort:
    load = replace(effort.load, events=events or effort.load.events)
    return replace(effort, runs=runs or effort.runs, load=load)
