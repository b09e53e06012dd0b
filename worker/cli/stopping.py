"""How commands that run until told to stop are told: SIGTERM, or SIGINT, which is Ctrl-C."""

import asyncio
import signal


def stop_event() -> asyncio.Event:
    """An event of the running loop that is set by either signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
