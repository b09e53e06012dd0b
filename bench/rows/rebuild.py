"""`rebuild --all`: what each record of the topics costs."""

import re
import resource
from dataclasses import dataclass

from bench.ground import BenchError, Servers, Site
from bench.load import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilding:
    """What it took."""

    records: int
    cpu_s: float
    start_up_cpu_s: float
    """CPU of the same command with nothing to rebuild."""

    @property
    def us_per_record(self) -> float:
        """CPU per record, start-up taken off."""
        return (self.cpu_s - self.start_up_cpu_s) / self.records * 1e6

    @property
    def whole_us_per_record(self) -> float:
        """CPU per record of the whole command."""
        return self.cpu_s / self.records * 1e6


def rebuild(servers: Servers, shape: Load) -> Rebuilding:
    """Rebuild the state that a worker made of a backlog."""
    with servers.site(shape) as site:
        _, start_up_cpu_s = _rebuild_all(site)
        site.write()
        worker = site.start_worker()
        site.wait_until_handled(shape.events, worker)
        worker.stop()
        records, cpu_s = _rebuild_all(site)
    if records < shape.events:
        raise BenchError(f"{records} records were rebuilt of {shape.events}")
    return Rebuilding(records=records, cpu_s=cpu_s, start_up_cpu_s=start_up_cpu_s)


def _rebuild_all(site: Site) -> tuple[int, float]:
    """Records, and the CPU time of the command: no other child of this process ends meanwhile."""
    before_s = _children_cpu_s()
    printed = site.command("rebuild", "--all")
    cpu_s = _children_cpu_s() - before_s
    records = re.match(r"([0-9,]+) records", printed)
    if records is None:
        raise BenchError(f"rebuild does not say how many records it read: {printed}")
    return int(records[1].replace(",", "")), cpu_s


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
