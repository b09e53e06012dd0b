"""Puts the supervisor, the workers and the front together."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from aiohttp import web

from worker.health import Place, at_sockets, listen
from worker.processes import front
from worker.processes.board import Board, Card, Stage
from worker.processes.signals import Lifeline
from worker.processes.supervisor import End, Process, Supervisor

_LOOPBACK: Final = "127.0.0.1"
"""Where the workers serve the front, each on a port that the system chooses."""

Stopping = AbstractAsyncContextManager[asyncio.Event]
"""Within this context, the event is set when the worker is to stop."""

Work = Callable[[Stopping, Place], End]
"""A worker's whole life, in its process: until when, and where it serves its own health and metrics."""


def supervise(workers: int, host: str, port: int, work: Work, absence_s: float) -> End:
    """Run so many workers until told to stop, with the health and metrics of all at one address.

    `absence_s`: how long after its end a worker that was killed is started again at the earliest.
    Raises `PortInUseError`.
    """
    board, of_workers, of_front = Board(workers), Lifeline(), Lifeline()
    public = listen(host, port)
    private = [listen(_LOOPBACK, 0) for _ in range(workers)]
    addresses = [listeners[0].getsockname() for listeners in private]
    processes = [
        Process(str(number), partial(_work, work, board, number, of_workers, listeners), of_workers, listeners, number)
        for number, listeners in enumerate(private)
    ]
    processes.append(Process("front", partial(_serve, public, addresses, board, of_front), of_front, public))
    return Supervisor(processes, board, absence_s).run()


def _work(work: Work, board: Board, number: int, lifeline: Lifeline, listeners: Sequence[socket.socket]) -> int:
    at_listeners = at_sockets(listeners)

    async def place(runner: web.AppRunner) -> None:
        await at_listeners(runner)
        # A worker serves as soon as it has found the topics and Redis.
        board.write(number, Card(Stage.STARTED, board.read(number).restarts))

    end = work(lifeline.stop_event(), place)
    card = board.read(number)
    board.write(number, Card(card.stage, card.restarts, " ".join(end.reasons)))
    return end.code


def _serve(
    listeners: Sequence[socket.socket], workers: Sequence[tuple[str, int]], board: Board, lifeline: Lifeline
) -> int:
    asyncio.run(front.serve(listeners, workers, board, lifeline.stop_event()))
    return 0
