"""A server: a program, and a way to ask whether it answers."""

import secrets
import socket
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

from tests.services.program import Program, ServiceError

READY_S: Final = 90.0

_POLL_S: Final = 0.05

_PORTS: Final = range(10_000, 20_000)
"""Below those that systems give to outgoing connections: a client that tries again and again to reach a server that
is down might else be given the server's own port, and reach itself. Redis's cluster bus takes the port 10,000 above."""


class Server(ABC):
    """A server that tests may start, stop, kill and start again. As a context, it runs within and leaves nothing."""

    def __init__(self, program: Program) -> None:
        self.program = program

    @abstractmethod
    def answers(self) -> bool:
        """Ask it once; it is ready for clients if it answers."""

    def start(self) -> None:
        """Start it and wait until it answers. Raises `ServiceError` with the end of its log."""
        self.program.start()
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Wait for a program that was started. Raises `ServiceError` with the end of its log."""
        deadline_s = time.monotonic() + READY_S
        while not self.answers():
            if not self.program.is_running():
                raise ServiceError(f"{type(self).__name__} ended at its start:\n{self.program.log_tail()}")
            if time.monotonic() > deadline_s:
                raise ServiceError(
                    f"{type(self).__name__} does not answer after {READY_S:.0f} s:\n{self.program.log_tail()}"
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it in order, and wait until it has ended."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a power cut would, and wait until it has ended."""
        self.program.kill()

    def restart(self) -> None:
        """End it in order and start it again, at the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.program.discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.discard()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
