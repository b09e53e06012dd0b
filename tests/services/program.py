"""A program that a server runs in: what can be done with it, and the child process, which is one kind."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

GUARD: Final = Path(__file__).with_name("guard.py")

TAIL_CHARACTERS: Final = 4_000

_STOP_S: Final = 30.0


class ServiceError(Exception):
    """A service cannot be had; the text says why, and the mend or the end of its log."""


class Program(Protocol):
    """Something that is started and ended, any number of times, and that keeps its data in between."""

    def start(self) -> None:
        """Start it. It may not be ready yet when this returns. Raises `ServiceError`."""

    def stop(self) -> None:
        """Ask it to end, and wait until it has. Nothing happens if it does not run."""

    def kill(self) -> None:
        """End it at once, as a power cut would, and wait until it has. Nothing happens if it does not run."""

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""

    def log_tail(self) -> str:
        """The end of what it has said, at most `TAIL_CHARACTERS`."""

    def discard(self) -> None:
        """Kill it and remove what it leaves outside its own folder. It is not started again."""


class ChildProcess:
    """A program as a child of this process, which it does not outlive, however this process ends (on Linux).

    Its output is added to the file `log`. It runs in a session of its own, so that Ctrl-C in a terminal is for
    the tests, which then end it in their turn.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *map(str, command)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        """Ask it to end with SIGTERM, then, if that does not help, with SIGKILL."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and its own children with SIGKILL."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as one that makes it hang, or go on."""
        assert self._process is not None, "start it first"
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Its process id, for the kernel's accounting."""
        assert self._process is not None, "start it first"
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-TAIL_CHARACTERS:] if self._log.exists() else ""

    def discard(self) -> None:
        """Kill it."""
        self.kill()
