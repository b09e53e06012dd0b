"""What is measured, in which order, how often and against which bar."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Final, TypeVar

from bench.figures import Figure
from bench.ground import Servers
from bench.load import Load
from bench.rows import backlog
from bench.rows.backlog import Drain, drain, drain_by_rival
from bench.rows.cost_by_stage import Profile, cost_by_stage
from bench.rows.growth import growth
from bench.rows.latency import CALLS_PER_S, Latency, steady, under_backlog
from bench.rows.rebuild import rebuild
from bench.rows.redis_memory import stored
from bench.rows.restart import restart

T = TypeVar("T")

WORKER: Final = "this worker"
STEADY: Final = "steady"
UNDER_BACKLOG: Final = "while a backlog drains on other partitions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How thoroughly it is measured."""

    runs: int
    load: Load
    latency_s: float
    rival_events: int = 3_000
    long_events: int = 1_000_000
    large_events: int = 60_000


FULL: Final = Effort(runs=3, load=Load(), latency_s=30.0)
QUICK: Final = Effort(runs=1, load=Load(events=60_000, contacts=6_000), latency_s=8.0)
"""With as many events per contact as the full form: what is done once per contact weighs as much in each event."""

LARGE_BYTES: Final = 6_000
"""Of padding in each of the large records."""


@dataclass(slots=True)
class Report:
    """All that was measured."""

    figures: list[Figure] = field(default_factory=list)
    profile: Profile | None = None
    drains: dict[str, list[Drain]] = field(default_factory=dict)
    """By who drained."""
    latencies: dict[str, list[Latency]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """By row, why it could not be measured."""


class Bench:
    """Measures rows, one after the other, and gathers what they give."""

    def __init__(self, servers: Servers, effort: Effort) -> None:
        self.servers = servers
        self.effort = effort
        self.report = Report()

    def measure(self, row: str) -> None:
        """Measure a row. What goes wrong is noted, so that the other rows are measured all the same."""
        began_s = time.monotonic()
        try:
            ROWS[row](self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told at the end
            self.report.failures[row] = f"{type(error).__name__}: {error}"
            say(f"{row} could not be measured: {self.report.failures[row]}")
        say(f"{row}: {time.monotonic() - began_s:.0f} s")

    def add(self, name: str, unit: str, runs: list[float], **limits: float | bool) -> None:
        """Add a figure."""
        self.report.figures.append(Figure(name=name, unit=unit, runs=runs, **limits))  # type: ignore[arg-type] # as named

    def repeat(self, what: str, run: Callable[[Servers], T]) -> list[T]:
        """Run as often as the effort says."""
        results = []
        for n in range(1, self.effort.runs + 1):
            say(f"  {what}, run {n} of {self.effort.runs}")
            results.append(run(self.servers))
        return results

    @cached_property
    def drains(self) -> list[Drain]:
        """The backlog, drained by the worker: of two rows, which share its runs."""
        drains = self.repeat("backlog", partial(drain, shape=self.effort.load))
        self.report.drains[WORKER] = drains
        return drains


def _backlog(bench: Bench) -> None:
    drains = bench.drains
    shape = bench.effort.load
    what = f"backlog of {shape.events:,} events, {shape.partitions} partitions"
    bench.add(f"CPU of the worker, {what}", "µs/event", [each.us_per_event for each in drains], bar=25, aim=19)
    bench.add("- with its start-up", "µs/event", [each.whole_us_per_event for each in drains])
    bench.add("- its start-up", "CPU s", [each.start_up_cpu_s for each in drains])
    for name, cpu_s in (("the broker", [e.broker_cpu_s for e in drains]), ("Redis", [e.redis_cpu_s for e in drains])):
        known = [each / drain.events * 1e6 for each, drain in zip(cpu_s, drains, strict=True) if each is not None]
        if known:
            bench.add(f"- CPU of {name} meanwhile", "µs/event", known)
    rates = [each.events_per_s for each in drains]
    bench.add(f"rate of one process, {what}", "events/s", rates, bar=25_000, aim=40_000, more_is_better=True)
    bench.add(f"resident memory at the end, {what}", "MB", [each.memory.now_mb for each in drains])
    bench.add("- most, start-up included", "MB", [each.memory.most_mb for each in drains], bar=130)


def _rivals(bench: Bench) -> None:
    worker = bench.drains
    for rival in (backlog.PER_RECORD, backlog.FORWARDER, backlog.PARSING_FORWARDER):
        events = bench.effort.rival_events if rival == backlog.PER_RECORD else bench.effort.load.events
        shape = replace(bench.effort.load, events=events)
        drains = bench.repeat(rival, partial(drain_by_rival, shape=shape, rival=rival))
        bench.report.drains[rival] = drains
        pairs = list(zip(worker, drains, strict=True))
        if rival == backlog.PER_RECORD:
            times = [ours.events_per_s / theirs.events_per_s for ours, theirs in pairs]
            bench.add("rate against the per-record worker's", "times", times, bar=30, more_is_better=True)
            cpu = [theirs.us_per_event / ours.us_per_event for ours, theirs in pairs]
            bench.add("- CPU of the per-record worker against ours", "times", cpu)
        bench.add(f"- {rival}", "µs/event", [each.us_per_event for each in drains])
        bench.add(f"- {rival}", "events/s", [each.events_per_s for each in drains], more_is_better=True)


def _latency(bench: Bench) -> None:
    runs = bench.repeat(STEADY, partial(steady, seconds=bench.effort.latency_s, shape=bench.effort.load))
    bench.report.latencies[STEADY] = runs
    what = f"requested to assigned, steady {CALLS_PER_S} calls/s"
    bench.add(f"{what}, p50", "ms", [each.percentile_ms(50) for each in runs], bar=6, aim=3)
    bench.add(f"{what}, p99", "ms", [each.percentile_ms(99) for each in runs], bar=20, aim=10)
    bench.add("CPU of the worker meanwhile", "% of a core", [each.cpu_percent for each in runs], bar=50, aim=25)


def _latency_under_backlog(bench: Bench) -> None:
    runs = bench.repeat(UNDER_BACKLOG, partial(under_backlog, shape=bench.effort.load))
    bench.report.latencies[UNDER_BACKLOG] = runs
    what = f"the same while a backlog of {bench.effort.load.events:,} drains on other partitions"
    bench.add(f"{what}, p50", "ms", [each.percentile_ms(50) for each in runs])
    bench.add(f"{what}, p99", "ms", [each.percentile_ms(99) for each in runs], bar=100)


def _memory(bench: Bench) -> None:
    long = replace(bench.effort.load, events=bench.effort.long_events)
    large = replace(bench.effort.load, events=bench.effort.large_events, padding=LARGE_BYTES)
    for what, shape in (
        (f"backlog of {long.events:,} events", long),
        (f"backlog of {large.events:,} events of {LARGE_BYTES / 1_000:.0f} kB", large),
    ):
        runs = bench.repeat(what, partial(drain, shape=shape))
        bench.add(f"resident memory, {what}, at the end", "MB", [each.memory.now_mb for each in runs])
        bench.add("- most, start-up included", "MB", [each.memory.most_mb for each in runs], bar=130)
        bench.add("- CPU of the worker", "µs/event", [each.us_per_event for each in runs])


def _growth(bench: Bench) -> None:
    runs = bench.repeat("growth", partial(growth, base=bench.effort.load))
    for name in runs[0]:
        bench.add(f"CPU per event, {name}", "times", [each[name].times for each in runs], bar=1.3, aim=1.0)
        bench.add("- most memory, start-up included", "MB", [each[name].most_mb for each in runs], bar=130)


def _restart(bench: Bench) -> None:
    runs = bench.repeat("restart", partial(restart, shape=bench.effort.load))
    bench.add("restart: SIGTERM to the first reply of the successor", "s", [r.first_reply_s for r in runs], bar=3)
    bench.add("- SIGTERM to the exit", "s", [each.exit_s for each in runs])


def _rebuild(bench: Bench) -> None:
    runs = bench.repeat("rebuild", partial(rebuild, shape=bench.effort.load))
    bench.add("CPU of `rebuild --all`", "µs/record", [each.us_per_record for each in runs], bar=30)
    bench.add("- with its start-up", "µs/record", [each.whole_us_per_record for each in runs])
    bench.add("- its start-up", "CPU s", [each.start_up_cpu_s for each in runs])


def _redis_memory(bench: Bench) -> None:
    runs = bench.repeat("redis", partial(stored, shape=bench.effort.load))
    bench.add("Redis: a contact", "bytes", [each.contact_bytes for each in runs])
    bench.add("Redis: a reply", "bytes", [each.reply_bytes for each in runs])


def _stages(bench: Bench) -> None:
    say("  stages")
    bench.report.profile = cost_by_stage(bench.servers, bench.effort.load)


ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "backlog": _backlog,
    "rivals": _rivals,
    "latency": _latency,
    "latency-backlog": _latency_under_backlog,
    "memory": _memory,
    "growth": _growth,
    "restart": _restart,
    "rebuild": _rebuild,
    "redis": _redis_memory,
    "stages": _stages,
}

CORE: Final = ("backlog", "latency", "stages")
"""What the quick form measures."""


def say(words: str) -> None:
    """Tell how far it is, on standard error: standard output is the table's."""
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - said to a person
