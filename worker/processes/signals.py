"""How the supervisor hears signals without an event loop, and how its children learn that they are to stop."""

import asyncio
import os
import select
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_HEARD: Final = STOP | {signal.SIGCHLD}


class Ear:
    """Hears signals, any time from its making, and lets them be waited for."""

    def __init__(self) -> None:
        self._end, self._other_end = socket.socketpair()
        for end in (self._end, self._other_end):
            end.settimeout(0)
        signal.set_wakeup_fd(self._other_end.fileno(), warn_on_full_buffer=False)
        for number in _HEARD:
            signal.signal(number, lambda *_: None)  # what matters is the byte that Python writes for it

    def hear(self, timeout_s: float | None) -> set[int]:
        """The signals since the last time, after waiting for one if there is none yet."""
        select.select([self._end], [], [], timeout_s)
        heard: set[int] = set()
        while True:
            try:
                heard.update(self._end.recv(4_096))
            except BlockingIOError:
                return heard

    def deafen(self) -> None:
        """Undo it, in a child. Ctrl-C reaches every process of a terminal; the supervisor alone acts on it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for end in (self._end, self._other_end):
            end.close()


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back during a fork: the child must not take one for its parent, nor lose one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Lifeline:
    """A pipe whose one end the supervisor alone holds.

    Its children stop when that end is closed: by the supervisor, or by the system when the supervisor was killed. So
    who is told to stop and who is orphaned end in the same good order.
    """

    def __init__(self) -> None:
        self._watched, self._held = os.pipe()

    def cut(self) -> None:
        """Tell the children to stop. A child does this to its own copy of the supervisor's end, which tells nobody."""
        os.close(self._held)

    @asynccontextmanager
    async def stop_event(self) -> AsyncIterator[asyncio.Event]:
        """In a child: an event of the running loop that is set when the line is cut, or by SIGTERM.

        Signals are held back before and after, so that one that comes early is not lost, and one that comes late
        does not turn a good end into a bad one.
        """
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def was_cut() -> None:
            loop.remove_reader(self._watched)  # which would else be ready for ever
            stop.set()

        loop.add_reader(self._watched, was_cut)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        try:
            yield stop
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
            loop.remove_reader(self._watched)
