"""The supervisor: it forks the workers and the front, starts again what ended, and stops all when told to.

It only ever waits, for a signal or for the time to start something again. See the package for why.
"""

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import structlog

from worker.processes.board import Board, Card, Stage
from worker.processes.restarts import Restarts, is_hopeless
from worker.processes.signals import STOP, Ear, Lifeline, held_back

STOP_S: Final = 9.4
"""How long the workers may take to stop: a little more than they give themselves, and less than the 10 s after which
orchestrators kill."""

FRONT_STOP_S: Final = 0.3

FAILED: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """How a process or the whole ended: an exit code, and if it is not 0, why."""

    code: int
    reasons: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Process:
    """One of the processes, through all its lives."""

    name: str
    life: Callable[[], int]
    """What a child does, in the child; gives its exit code."""
    lifeline: Lifeline
    listeners: list[socket.socket]
    """Where it serves. They listen all the time, whether it lives or not."""
    worker: int | None = None
    """Its number on the board."""
    restarts: Restarts = field(default_factory=Restarts)
    due_s: float | None = 0.0
    """When to start it; None while it runs."""


class Supervisor:
    """Runs processes until told to stop. Make it before any thread or event loop."""

    def __init__(self, processes: Iterable[Process], board: Board, absence_s: float) -> None:
        """`absence_s` is when the group notices at the latest that a worker was killed.

        A member that joins before makes the group wait for the dead one with all work at rest; so it may not.
        """
        self._processes = list(processes)
        self._absence_s = absence_s
        self._workers = [process for process in self._processes if process.worker is not None]
        self._fronts = [process for process in self._processes if process.worker is None]
        self._board = board
        self._running: dict[int, Process] = {}
        self._ear = Ear()
        self._latest = End(0)
        """The latest end of a worker that was not told to stop."""

    def run(self) -> End:
        """Run until SIGTERM or SIGINT, or until to start any worker is of no use. Leaves no process behind."""
        gc.collect()
        gc.freeze()  # what is there already is never looked at again, and its pages stay shared
        log.info("supervisor_started", processes=len(self._workers))
        while True:
            self._start_what_is_due()
            if not STOP.isdisjoint(self._ear.hear(self._next_s())):
                return self._stop()
            for process, code in self._ended():
                self._plan(process, code)
            if is_hopeless(worker.restarts for worker in self._workers):
                self._stop()
                return self._latest

    # Starting

    def _start_what_is_due(self) -> None:
        now_s = time.monotonic()
        for process in self._processes:
            if process.due_s is not None and process.due_s <= now_s:
                process.due_s = None
                process.restarts.begin(now_s)
                if process.worker is not None:
                    self._board.write(process.worker, Card(Stage.STARTING, process.restarts.lives - 1))
                pid = self._fork(process)
                self._running[pid] = process
                log.info("process_started", process=process.name, pid=pid)

    def _next_s(self) -> float | None:
        """How long until something is due."""
        due_s = [process.due_s for process in self._processes if process.due_s is not None]
        return max(0.0, min(due_s) - time.monotonic()) if due_s else None

    def _fork(self, process: Process) -> int:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what is in them would be written twice
        with held_back():
            pid = os.fork()
            if pid == 0:
                self._live(process)
        return pid

    def _live(self, process: Process) -> NoReturn:
        """Be a child."""
        code = FAILED
        try:
            self._ear.deafen()
            for lifeline in {each.lifeline for each in self._processes}:
                lifeline.cut()
            for other in self._processes:
                if other is not process:
                    for listener in other.listeners:
                        listener.close()
            structlog.contextvars.bind_contextvars(process=process.name)
            code = process.life()
        except BaseException:  # nothing may go on into what the parent would do
            log.exception("process_failed")
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    # Ending

    def _ended(self) -> Iterator[tuple[Process, int]]:
        """The processes that have ended, with their exit codes, negative: the signal that killed them.

        As the first process of a container it is given other people's orphans, too, and lets them go.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (process := self._running.pop(pid, None)) is not None:
                yield process, os.waitstatus_to_exitcode(status)

    def _plan(self, process: Process, code: int) -> None:
        """Plan the next life of a process that ended without being told to."""
        now_s = time.monotonic()
        card = self._take_down(process)
        absence_s = self._absence_s if code < 0 and card.stage is Stage.STARTED and process in self._workers else 0.0
        wait_s = process.restarts.end(now_s, served=card.stage is Stage.STARTED, at_least_s=absence_s)
        process.due_s = now_s + wait_s
        if process in self._workers:
            self._latest = _end(process, code, card)
        log.warning(
            "process_ended", process=process.name, **_how(code), reason=card.last_words or None, restart_in_s=wait_s
        )

    def _stop(self) -> End:
        """Tell all to stop, and end those that do not. The front, which serves what they say, comes last."""
        failures: list[End] = []
        for group, within_s in ((self._workers, STOP_S), (self._fronts, FRONT_STOP_S)):
            for lifeline in {process.lifeline for process in group}:
                lifeline.cut()
            for process, code in self._ends_of(group, within_s):
                card = self._take_down(process)
                log.info("process_ended", process=process.name, **_how(code), reason=card.last_words or None)
                if code and process in self._workers:
                    failures.append(_end(process, code, card))
        log.info("supervisor_stopped")
        return End(FAILED, tuple(reason for end in failures for reason in end.reasons)) if failures else End(0)

    def _ends_of(self, group: list[Process], within_s: float) -> Iterator[tuple[Process, int]]:
        """The ends of these processes; those that are not through in time are killed."""
        deadline_s = time.monotonic() + within_s
        while waited_for := {pid: process for pid, process in self._running.items() if process in group}:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                for pid, process in waited_for.items():
                    log.error("process_killed", process=process.name, pid=pid, reason=f"not ended in {within_s} s")
                    os.kill(pid, signal.SIGKILL)
            self._ear.hear(max(left_s, 0) or None)
            yield from self._ended()

    def _take_down(self, process: Process) -> Card:
        """The card of a process as it was when it ended; on the board it does not run any more."""
        if process.worker is None:
            return Card(Stage.STARTED, restarts=0)
        card = self._board.read(process.worker)
        self._board.write(process.worker, Card(Stage.DOWN, card.restarts))
        return card


def _how(code: int) -> dict[str, object]:
    return {"exit_code": code} if code >= 0 else {"signal": signal.Signals(-code).name}


def _end(process: Process, code: int, card: Card) -> End:
    killed = f"process {process.name} was killed by {signal.Signals(-code).name}" if code < 0 else ""
    reason = card.last_words or killed or f"process {process.name} ended with exit code {code}; the log says why"
    return End(code if code > 0 else FAILED, (reason,))
