"""`python -m bench.sampling FILE run …`: the worker, its CPU time sampled by stage from SIGUSR1 to SIGUSR2.

The kernel sends SIGPROF after each few milliseconds of CPU time of the process, its own and the kernel's on its
behalf; Python handles it where the code then is. Written to FILE: a JSON object of samples by stage.
"""

import gc
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from bench import stages
from worker.cli import main

_INTERVAL_S: Final = 0.001
"""Of CPU time. The kernel looks at its timer ticks only: the samples come as often as it ticks, at most."""


class _Garbage:
    """Called when a collection begins and ends: a signal that came within is handled here, and counted as such."""

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """Do nothing, and be on the stack."""


class Sampler:
    """Counts the stages that it finds at work."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._samples: Counter[str] = Counter()

    def install(self) -> None:
        """Wait for the signals that begin and end it."""
        gc.callbacks.append(_Garbage())
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)

    def _begin(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        written = self._file.with_suffix(".part")
        written.write_text(json.dumps(self._samples))
        written.rename(self._file)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        self._samples[stages.stage_of(stages.stack_of(frame))] += 1


if __name__ == "__main__":
    file, *arguments = sys.argv[1:]
    stages.require_all()
    Sampler(Path(file)).install()
    main(arguments, prog_name="outbound-numbers")
