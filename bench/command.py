"""The command line: which rows to measure, how thoroughly, and what to print."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

import click

from bench import figures
from bench.figures import Figure
from bench.ground import Servers, servers
from bench.load import Load
from bench.rows.backlog import drain
from bench.rows.cost_by_stage import Profile, cost_by_stage
from bench.rows.latency import CALLS_PER_S, steady


@click.command
@click.option("--quick", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--events", type=int)
@click.option("--runs", type=int)
@click.option("--rows", multiple=True)
def main(quick: bool, as_json: bool, events: int | None, runs: int | None, rows: tuple[str, ...]) -> None:
    """Measure the worker."""
    n = runs or (1 if quick else 3)
    load = Load(events=events or (100_000 if quick else 200_000))
    out: list[Figure] = []
    profile = None
    with servers() as s:
        if not rows or "backlog" in rows:
            d = [drain(s, load) for _ in range(n)]
            out += [
                Figure(name="CPU per event, backlog", unit="µs", runs=[x.us_per_event for x in d], bar=25, aim=19),
                Figure(name="with start-up", unit="µs", runs=[x.whole_us_per_event for x in d]),
                Figure(name="start-up", unit="CPU s", runs=[x.start_up_cpu_s for x in d]),
                Figure(name="broker per event", unit="µs", runs=[(x.broker_cpu_s or 0) / x.events * 1e6 for x in d]),
                Figure(name="Redis per event", unit="µs", runs=[(x.redis_cpu_s or 0) / x.events * 1e6 for x in d]),
                Figure(
                    name="events per second",
                    unit="/s",
                    runs=[x.events_per_s for x in d],
                    bar=25_000,
                    aim=40_000,
                    more_is_better=True,
                ),
                Figure(name="memory now", unit="MB", runs=[x.memory.now_mb for x in d]),
                Figure(name="memory most", unit="MB", runs=[x.memory.most_mb for x in d], bar=130),
            ]
        if not rows or "latency" in rows:
            l = [steady(s, 8 if quick else 30, load) for _ in range(n)]
            out += [
                Figure(
                    name="requested to assigned, p50", unit="ms", runs=[x.percentile_ms(50) for x in l], bar=6, aim=3
                ),
                Figure(
                    name="requested to assigned, p99", unit="ms", runs=[x.percentile_ms(99) for x in l], bar=20, aim=10
                ),
                Figure(name="CPU at 500 calls/s", unit="%", runs=[x.cpu_percent for x in l], bar=50, aim=25),
            ]
        if not rows or "stages" in rows:
            profile = cost_by_stage(s, load)
    if as_json:
        click.echo(json.dumps({"figures": [f.to_json() for f in out], "stages": profile and asdict(profile)}))
        return
    click.echo(figures.table(out))
    if profile:
        click.echo(figures.costs(profile.us_per_event))
