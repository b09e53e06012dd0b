"""What rivals of the worker have in common: where they find the servers, and how they are started and ended."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine

from aiokafka import AIOKafkaConsumer

from bench.worker import STARTED


def environment(name: str) -> str:
    """A setting, from the variable that the worker has it from."""
    return os.environ[f"OUTBOUND_{name}"]


def inputs() -> AIOKafkaConsumer:
    """A consumer of both input topics, in the group that the worker would be in; offsets are the rival's to commit."""
    return AIOKafkaConsumer(
        environment("TOPIC_CALL_REQUESTED"),
        environment("TOPIC_CALL_OUTCOME"),
        bootstrap_servers=environment("KAFKA_BOOTSTRAP"),
        group_id=environment("GROUP_ID"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )


def say_started() -> None:
    """Log that the start-up is over, as the worker does."""
    print(json.dumps({"event": STARTED}), flush=True)  # noqa: T201 - its log


async def until_told(rival: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run until SIGTERM. Called within the event loop, which aiokafka's clients are to be made in."""
    running = asyncio.create_task(rival())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait({running})
    if not running.cancelled():
        running.result()
