"""A worker as a process, watched from outside: by its log and by the kernel's account of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import processes
from tests.services.program import GUARD

STARTED: Final = "worker_started"
"""The line that a worker logs when it has connected to all and joined its group: its start-up is over."""

_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.005
_TAIL_CHARACTERS: Final = 4_000


class WorkerEndedError(Exception):
    """A process that was to run has ended, or does not do what it should; the text has the end of its log."""


class RunningWorker:
    """A process with its log in a file, in JSON lines, as a container's log is. It does not outlive this one."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def cpu_s(self) -> float:
        """The CPU time that it has taken since its start."""
        return processes.cpu_s(self.pid)

    def memory(self) -> processes.Memory:
        """What it holds in memory."""
        return processes.memory(self.pid)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; give its exit code."""
        return self._process.wait(_PATIENCE_S)

    def stop(self) -> None:
        """Tell it to stop and wait until it has, in good order."""
        self.signal(signal.SIGTERM)
        if code := self.wait():
            raise WorkerEndedError(f"exit code {code} after SIGTERM:\n{self.log_tail()}")

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.is_running():
            self._process.kill()
            self._process.wait()

    def wait_logged(self, event: str = STARTED) -> dict[str, Any]:
        """Wait for the first line of an event in its log. The worker is not asked: it is not to be burdened."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            for line in self.lines():
                if line.get("event") == event:
                    return line
            if not self.is_running() or time.monotonic() > deadline_s:
                raise WorkerEndedError(f"no {event} of process {self.pid}:\n{self.log_tail()}")
            time.sleep(_POLL_S)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines of its log so far."""
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_TAIL_CHARACTERS:]
