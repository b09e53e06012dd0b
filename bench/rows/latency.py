"""Paced calls: how long each waits for its number, and what the worker takes of a core meanwhile."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench.dialer import Options
from bench.ground import BenchError, Servers, Site
from bench.load import Load
from bench.percentiles import percentile
from bench.worker import RunningWorker

CALLS_PER_S: Final = 500
_WARM_UP_S: Final = 3.0
_CALLED_INDEX: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long calls waited."""

    waits_ms: list[float]
    """Ascending."""
    cpu_percent: float
    """Of one core: the worker's CPU while they were made."""

    def percentile_ms(self, percent: float) -> float:
        """An exact percentile."""
        return percentile(self.waits_ms, percent)


def steady(servers: Servers, seconds: float, shape: Load) -> Latency:
    """Call at a steady rate on all partitions, with nothing else to do."""
    with servers.site(shape) as site:
        worker = site.start_worker()
        worker.wait_logged()
        with calling(site, shape) as dialer:
            time.sleep(_WARM_UP_S)
            begin_s, cpu_s = time.time(), worker.cpu_s()
            time.sleep(seconds)
            end_s, cpu_s = time.time(), worker.cpu_s() - cpu_s
        waits_ms = _waits_ms(dialer, begin_s, end_s)
        worker.stop()
    return Latency(waits_ms=waits_ms, cpu_percent=cpu_s / (end_s - begin_s) * 100)


def under_backlog(servers: Servers, shape: Load) -> Latency:
    """Call at the same rate on one partition while the backlog of all others drains: those due while it does."""
    others = frozenset(range(shape.partitions)) - {_CALLED_INDEX}
    backlog = Load(events=shape.events, contacts=shape.contacts, partitions=shape.partitions, indexes=others)
    with servers.site(backlog) as site:
        site.write()
        total = sum(site.ends().values())
        worker = site.start_worker()
        worker.wait_logged()
        with calling(site, backlog, index=_CALLED_INDEX) as dialer:
            site.wait_until_handled(1, worker, indexes=others)
            begin_s, cpu_s = time.time(), worker.cpu_s()
            site.wait_until_handled(total, worker, indexes=others)
            end_s, cpu_s = time.time(), worker.cpu_s() - cpu_s
        waits_ms = _waits_ms(dialer, begin_s, end_s)
        worker.stop()
    return Latency(waits_ms=waits_ms, cpu_percent=cpu_s / (end_s - begin_s) * 100)


@contextmanager
def calling(site: Site, shape: Load, index: int | None = None) -> Iterator[RunningWorker]:
    """Run a dialer meanwhile; it has ended in good order after."""
    options = Options(
        bootstrap=site.bootstrap,
        call_requested=site.topic_of["call-requested"],
        call_outcome=site.topic_of["call-outcome"],
        number_assigned=site.topic_of["number-assigned"],
        calls_per_s=CALLS_PER_S,
        contacts=shape.contacts,
        partitions=shape.partitions,
        index=index,
    )
    dialer = site.start_process("-m", "bench.dialer", options.to_json())
    yield dialer
    dialer.stop()


def answered(dialer: RunningWorker) -> list[tuple[float, float]]:
    """When each call of a dialer that has ended was due, and its wait, both in seconds.

    Raises `BenchError` if one has no reply.
    """
    found = json.loads(dialer.log.read_text())
    if found["unanswered"]:
        raise BenchError(f"{found['unanswered']} calls were not answered")
    return [(due_s, wait_s) for due_s, wait_s in found["waits"]]


def _waits_ms(dialer: RunningWorker, begin_s: float, end_s: float) -> list[float]:
    waits_ms = sorted(wait_s * 1_000 for due_s, wait_s in answered(dialer) if begin_s <= due_s < end_s)
    if not waits_ms:
        raise BenchError("no calls were due while it was measured")
    return waits_ms
