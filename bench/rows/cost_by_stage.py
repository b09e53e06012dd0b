"""What each stage of a batch costs, from samples of the worker's CPU time while it drains a backlog."""

import json
import signal
import time
from dataclasses import dataclass
from typing import Final

from bench import stages
from bench.ground import BenchError, Servers
from bench.load import Load

_WRITTEN_S: Final = 10.0
_POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """CPU per event by stage, of how many samples."""

    us_per_event: dict[str, float]
    samples: int


def cost_by_stage(servers: Servers, shape: Load) -> Profile:
    """Drain a backlog with a worker that is sampled. It is slower than one that is not: for shares only."""
    with servers.site(shape) as site:
        site.write()
        file = site.folder / "samples.json"
        worker = site.start_worker("-m", "bench.sampling", str(file))
        worker.wait_logged()
        worker.signal(signal.SIGUSR1)
        began_s = worker.cpu_s()
        site.wait_until_handled(shape.events, worker)
        cpu_s = worker.cpu_s() - began_s
        worker.signal(signal.SIGUSR2)
        deadline_s = time.monotonic() + _WRITTEN_S
        while not file.exists():
            if time.monotonic() > deadline_s:
                raise BenchError(f"no samples were written:\n{worker.log_tail()}")
            time.sleep(_POLL_S)
        samples = json.loads(file.read_text())
        worker.stop()
    us = cpu_s / shape.events * 1e6
    return Profile(
        us_per_event={stage: share * us for stage, share in stages.shares(samples).items()},
        samples=sum(samples.values()),
    )
