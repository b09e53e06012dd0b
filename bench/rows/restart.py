"""A worker that is told to stop under traffic, and a successor that is started when it has."""

import signal
import time
from dataclasses import dataclass
from typing import Final

from bench.ground import BenchError, Servers
from bench.load import Load
from bench.rows.latency import answered, calling

_BEFORE_S: Final = 3.0
_AFTER_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """How long it took, in seconds from the SIGTERM."""

    exit_s: float
    """Until the first worker had ended."""
    first_reply_s: float
    """Until the successor's first reply was with the dialer."""


def restart(servers: Servers, shape: Load) -> Restart:
    """Restart a worker under steady calls on all partitions."""
    with servers.site(shape) as site:
        worker = site.start_worker()
        worker.wait_logged()
        with calling(site, shape) as dialer:
            time.sleep(_BEFORE_S)
            told_s = time.time()
            worker.signal(signal.SIGTERM)
            worker.wait()
            ended_s = time.time()
            successor = site.start_worker()
            successor.wait_logged()
            time.sleep(_AFTER_S)
        successor.stop()
        # All that came after the first worker's end is the successor's; what that one still sent was there before.
        replies_s = [due_s + wait_s for due_s, wait_s in answered(dialer) if due_s > told_s]
    first_reply_s = min((reply_s for reply_s in replies_s if reply_s > ended_s), default=None)
    if first_reply_s is None:
        raise BenchError(f"no reply by the successor:\n{successor.log_tail()}")
    return Restart(exit_s=ended_s - told_s, first_reply_s=first_reply_s - told_s)
