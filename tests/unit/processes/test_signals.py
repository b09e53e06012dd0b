"""Signals that come when nobody expects them: before a child listens, when it is through, one after the other."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from worker.processes.signals import Ear, Lifeline, held_back


def code_of_child(body: Callable[[], None]) -> int:
    """The exit code of a child that was forked as the supervisor forks: 0 if the body returns."""
    with held_back():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                body()
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    lifeline = Lifeline()
    yield lifeline
    lifeline.cut()


async def live_until_stopped(lifeline: Lifeline) -> None:
    async with lifeline.stop_event() as stop:
        await stop.wait()


def test_a_signal_that_comes_before_the_child_listens_stops_it_all_the_same(lifeline: Lifeline) -> None:
    def body() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        asyncio.run(live_until_stopped(lifeline))

    assert code_of_child(body) == 0


def test_a_signal_that_comes_when_the_child_is_through_does_not_make_it_fail(lifeline: Lifeline) -> None:
    def body() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        asyncio.run(live_until_stopped(lifeline))
        os.kill(os.getpid(), signal.SIGTERM)

    assert code_of_child(body) == 0


def test_the_supervisor_hears_each_signal_once_and_only_after_it_came() -> None:
    def body() -> None:
        ear = Ear()
        assert ear.hear(0) == set()
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        assert ear.hear(None) == {signal.SIGTERM}
        assert ear.hear(0) == set()

    assert code_of_child(body) == 0
