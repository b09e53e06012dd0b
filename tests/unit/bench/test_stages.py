"""Whose a sample of CPU time is."""

import inspect

import pytest

from bench import stages
from bench.stages import REST, UnknownFunctionError, require_all, shares, stack_of, stage_of


def test_every_function_of_the_table_exists() -> None:
    require_all()


@pytest.mark.parametrize("name", ["worker.loop.nowhere", "worker.loop.loop:Loop.nothing", "worker.loop.loop:nothing.x"])
def test_a_function_that_is_gone_is_told_by_name(name: str) -> None:
    with pytest.raises(UnknownFunctionError, match=f"stage 'parse': there is no {name}"):
        require_all({"parse": ["worker.loop.reading", name]})


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        # What redis-py does on behalf of a stage is the stage's.
        (
            [
                ("redis.connection", "pack"),
                ("worker.state.store", "RedisContactStore.write"),
                ("worker.loop.loop", "x"),
            ],
            "write state",
        ),
        # The innermost function decides.
        ([("worker.loop.encoding", "reply_to"), ("worker.loop.settling", "Settler.settle")], "encode"),
        ([("worker.loop.settling", "Settler.settle"), ("worker.loop.loop", "Loop._settle")], "decide"),
        # A function goes before its module.
        ([("worker.stream.intake", "Intake.commit")], "commit"),
        ([("worker.stream.intake", "Intake.fetch")], "fetch"),
        # What is defined within a function is the function's.
        ([("worker.state.store", "RedisContactStore.read.<locals>.<genexpr>")], "read state"),
        ([("asyncio.events", "Handle._run"), ("asyncio.base_events", "BaseEventLoop._run_once")], REST),
        ([], REST),
    ],
)
def test_the_first_known_function_from_within_decides(stack: list[tuple[str, str]], stage: str) -> None:
    assert stage_of(stack) == stage


def test_a_stack_is_read_from_within() -> None:
    (module, function), *_ = stack_of(inspect.currentframe())
    assert (module, function) == (__name__, "test_a_stack_is_read_from_within")


def test_shares_are_of_all_samples_the_largest_first() -> None:
    assert list(shares({"parse": 1, "decide": 3}).items()) == [("decide", 0.75), ("parse", 0.25)]
    with pytest.raises(ValueError, match="no samples"):
        shares({})


def test_no_function_is_in_two_stages() -> None:
    names = [name for of_stage in stages.STAGES.values() for name in of_stage]
    assert len(names) == len(set(names))
