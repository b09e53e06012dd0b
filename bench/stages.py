"""Which function's CPU time is whose: the stages of a batch, and what belongs to each.

A sample is a stack. From its innermost function outwards, the first one that is named here decides, so that what
redis-py or asyncio do on behalf of a stage counts for that stage, also while batches overlap. What no named function
called is the event loop's and its sockets'.

`require_all` fails when a name no longer exists: a function that was renamed must be renamed here.
"""

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Final

REST: Final = "event loop, sockets"
GARBAGE: Final = "garbage collection"

STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "fetch": (
        "worker.stream.intake",
        "worker.stream.unpacking",
        "aiokafka.consumer.fetcher",
        "aiokafka.consumer.consumer",
    ),
    "order": ("worker.stream.lane", "worker.stream.log_ends"),
    "parse": ("worker.loop.reading", "worker.loop.lenient"),
    "read state": ("worker.state.store:RedisContactStore.read", "worker.loop.loop:Loop._snapshots"),
    "decide": ("worker.loop.settling", "worker.selection.decision", "worker.selection.history"),
    "encode": ("worker.loop.encoding",),
    "write state": ("worker.state.store:RedisContactStore.write",),
    "publish": (
        "worker.stream.publisher",
        "worker.stream.packing",
        "worker.loop.loop:Loop._outbox",
        "aiokafka.producer.producer",
        "aiokafka.producer.sender",
        "aiokafka.producer.message_accumulator",
    ),
    "commit": (
        "worker.stream.intake:Intake.commit",
        "worker.stream.intake:Intake.done",
        "worker.loop.delivery:Delivery._look_after_commit",
        "worker.loop.delivery:Delivery._commit_if_due",
        "aiokafka.consumer.group_coordinator",
    ),
    "metrics, log": ("worker.metrics", "worker.loop.report"),
    "loop": ("worker.loop.loop", "worker.loop.delivery", "worker.loop.progress", "worker.loop.takeover"),
    GARBAGE: ("bench.sampling:_Garbage.__call__",),
}
"""Modules, and functions as `module:name`; a function goes before its module."""

_STAGE_OF: Final = {name: stage for stage, names in STAGES.items() for name in names}


class UnknownFunctionError(Exception):
    """The table names what does not exist."""


def require_all(stages: Mapping[str, Iterable[str]] = STAGES) -> None:
    """Check that all that is named exists. Raises `UnknownFunctionError`."""
    for stage, names in stages.items():
        for name in names:
            module, _, path = name.partition(":")
            try:
                found: object = importlib.import_module(module)
                for attribute in filter(None, path.split(".")):
                    found = getattr(found, attribute)
            except (ImportError, AttributeError) as error:
                raise UnknownFunctionError(f"bench/stages.py, stage {stage!r}: there is no {name}: {error}") from error


def stage_of(stack: Iterable[tuple[str, str]]) -> str:
    """The stage of a stack: its functions by module and qualified name, the innermost first."""
    for module, function in stack:
        # What is defined within a function, such as a comprehension, is the function's.
        stage = _STAGE_OF.get(f"{module}:{function.partition('.<locals>')[0]}") or _STAGE_OF.get(module)
        if stage is not None:
            return stage
    return REST


def stack_of(frame: FrameType | None) -> Iterable[tuple[str, str]]:
    """A stack as `stage_of` takes it."""
    while frame is not None:
        yield frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
        frame = frame.f_back


def shares(samples: Mapping[str, int]) -> dict[str, float]:
    """The share of each stage in all samples, the largest first. Raises `ValueError` if there are none."""
    total = sum(samples.values())
    if not total:
        raise ValueError("no samples were taken")
    return {stage: count / total for stage, count in Counter(samples).most_common()}
