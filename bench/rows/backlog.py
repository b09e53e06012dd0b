"""A backlog, drained by one worker: what each event costs, and how many go through in a second."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench import processes
from bench.ground import Servers, Site
from bench.load import Load, number
from bench.worker import RunningWorker

PER_RECORD: Final = "per record, as tutorials write it"
FORWARDER: Final = "forwarder, bare"
PARSING_FORWARDER: Final = "forwarder, parse and dump"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What it took to drain a backlog."""

    events: int
    start_up_cpu_s: float
    """CPU of the worker from its exec until it has joined its group."""
    cpu_s: float
    """CPU of the worker from then to the last commit."""
    broker_cpu_s: float | None
    redis_cpu_s: float | None
    seconds: float
    """From the first reply to the last commit."""
    memory: processes.Memory

    @property
    def us_per_event(self) -> float:
        """CPU of the worker per event, from ready to the last commit."""
        return self.cpu_s / self.events * 1e6

    @property
    def whole_us_per_event(self) -> float:
        """The same from its exec."""
        return (self.start_up_cpu_s + self.cpu_s) / self.events * 1e6

    @property
    def events_per_s(self) -> float:
        """Events per second."""
        return self.events / self.seconds


def drain(servers: Servers, shape: Load, *, prepare: Callable[[Site], None] | None = None, **settings: str) -> Drain:
    """Write a backlog, then start a worker and let it drain it. `prepare` is called before the backlog is written."""
    with servers.site(shape, **settings) as site:
        before = 0
        if prepare is not None:
            prepare(site)
            before = site.handled()
        site.write()
        worker = site.start_worker()
        worker.wait_logged()
        result = measured(site, worker, before)
        worker.stop()
        return result


def drain_by_rival(servers: Servers, shape: Load, rival: str) -> Drain:
    """The same with a rival of the worker in its place."""
    with servers.site(shape) as site:
        site.write()
        worker = site.start_process("-m", *_RIVALS[rival])
        worker.wait_logged()
        return measured(site, worker)


_RIVALS: Final = {
    PER_RECORD: ("bench.per_record", ",".join(map(number, range(100)))),
    FORWARDER: ("bench.forwarder",),
    PARSING_FORWARDER: ("bench.forwarder", "parse"),
}


def measured(site: Site, worker: RunningWorker, before: int = 0) -> Drain:
    """Measure a worker that is ready from now until it has drained what there is; `before` were handled before."""
    servers = site.servers
    start_up_cpu_s = worker.cpu_s()
    broker_s, redis_s = _cpu_s(servers.broker_pid), _cpu_s(servers.redis_pid)
    total = sum(site.ends().values())
    site.wait_until_handled(total, worker)
    ended_at_s = time.time()
    return Drain(
        events=total - before,
        start_up_cpu_s=start_up_cpu_s,
        cpu_s=worker.cpu_s() - start_up_cpu_s,
        broker_cpu_s=_since(broker_s, servers.broker_pid),
        redis_cpu_s=_since(redis_s, servers.redis_pid),
        seconds=ended_at_s - site.first_reply_s(),
        memory=worker.memory(),
    )


def _cpu_s(pid: int | None) -> float | None:
    return None if pid is None else processes.cpu_s(pid)


def _since(before_s: float | None, pid: int | None) -> float | None:
    return None if before_s is None or pid is None else processes.cpu_s(pid) - before_s
