"""A seed examined: run, judged, and worded so that a person can read and replay it."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import stamina
import structlog
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from tests.simulation.invariants import complaints
from tests.simulation.replica import Build, sound
from tests.simulation.scheduler import Scheduler

_ATTEMPTS: Final = 10**9
"""The loop tries again for ever; stamina's testing mode wants a number."""

_SILENT: Final = structlog.make_filtering_bound_logger(logging.CRITICAL)


@contextmanager
def without_waiting() -> Iterator[None]:
    """Let the loop try again at once, and all of it without a word in the log. It still gives way before it does."""
    hooks, configured = get_on_retry_hooks(), structlog.get_config()
    set_on_retry_hooks(())
    structlog.configure(wrapper_class=_SILENT, cache_logger_on_first_use=False)
    try:
        with stamina.set_testing(True, attempts=_ATTEMPTS):
            yield
    finally:
        set_on_retry_hooks(hooks)
        structlog.configure(**configured)


def run(seed: int, build: Build = sound) -> Scheduler:
    """Run the schedule of a seed to its end."""
    scheduler = Scheduler(seed, build)
    with without_waiting():
        scheduler.run()
    return scheduler


def examine(seed: int, build: Build = sound) -> str | None:
    """Run the schedule of a seed. What is wrong, and the whole schedule, in words; `None` if nothing is."""
    scheduler = Scheduler(seed, build)
    try:
        with without_waiting():
            scheduler.run()
    except Exception as error:  # noqa: BLE001 - a loop that dies is what is looked for
        found = [f"the loop died of {error!r} after the last step"]
    else:
        found = [f"{name} did not stop" for name in dict.fromkeys(scheduler.overstayed)] + complaints(scheduler.servers)
    if not found:
        return None
    steps = [f"{number:5} {step}" for number, step in enumerate(scheduler.steps, start=1)]
    wrong = [f"    - {complaint}" for complaint in found]
    replay = f"SIM_SEED={seed} pytest tests/simulation"
    return "\n".join(["", "the schedule:", *steps, "what is wrong:", *wrong, f"replay it: {replay}"])


def first_failure(seeds: Iterable[int], build: Build = sound) -> str | None:
    """The first of the seeds that fails, in words."""
    return next((failure for seed in seeds if (failure := examine(seed, build))), None)
