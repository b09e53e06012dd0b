"""What a schedule left in Redis, lost and taken from the logs again, is what it was: key by key."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final

import msgspec
import pytest
from structlog.testing import capture_logs

from schemas.events import REPLY, NumberAssigned
from tests.simulation.examine import run
from tests.simulation.kafka import PARTITIONS, REPLIES
from tests.simulation.logs import SimCallLogs
from tests.simulation.points import finish
from tests.simulation.redis import NODES, SimContacts
from tests.simulation.replica import Servers
from tests.simulation.story import START
from worker.loop.takeover import PROGRESS_S, TakeOver
from worker.selection.history import ContactHistory
from worker.state.codec import decode
from worker.stream.records import Assignment
from worker.stream.topics import CallTopics

SEEDS: Final = range(150)


class Whole:
    """An intake that was given every partition."""

    def __init__(self) -> None:
        self.assignment = Assignment(frozenset(range(PARTITIONS)), PARTITIONS)
        self.is_served = False

    def serve(self, assignment: Assignment) -> None:
        self.is_served = assignment is self.assignment


def slow_clock() -> Iterator[datetime]:
    """Each time it is looked at, so much has passed that a rebuild has to say how far it is."""
    return (START + timedelta(seconds=n * (PROGRESS_S + 1)) for n in count())


def taking_over(servers: Servers, seed: int) -> tuple[TakeOver, Whole]:
    clock, tokens, intake = slow_clock(), count(), Whole()
    takeover = TakeOver(
        topics=CallTopics(),
        intake=intake,
        logs=SimCallLogs(servers.kafka, Random(seed)),  # noqa: S311 - a schedule, not a secret
        contacts=SimContacts(servers.redis),
        now=lambda: next(clock),
        token=lambda: f"{seed} {next(tokens)}",
        alive=lambda: None,
    )
    return takeover, intake


def known(servers: Servers) -> tuple[dict[str, ContactHistory], dict[str, bytes]]:
    """Histories and replies, by key. Without the outcomes that wait in vain, for a call that is known and was not the
    latest: of which of those were delivered twice the logs say nothing, and no decision hangs on them.
    """
    replies = [REPLY.validate_json(reply.value or b"") for reply in servers.kafka.all(REPLIES)]
    made = {(each.project_id, each.call_id) for each in replies if isinstance(each, NumberAssigned)}
    histories, kept = {}, {}
    for key, value in servers.redis.values.items():
        if ":contact:" in key:
            history, _ = decode(value)
            waiting = [each for each in history.waiting if (each.project_id, each.call_id) not in made]
            histories[key] = msgspec.structs.replace(history, waiting=waiting)
        elif ":reply:" in key:
            kept[key] = value
    return histories, kept


@pytest.fixture(scope="module")
def worlds() -> list[tuple[int, Servers]]:
    """What schedules in which Redis kept everything left behind."""
    ended = ((seed, run(seed).servers) for seed in SEEDS)
    return [(seed, servers) for seed, servers in ended if not servers.redis.has_lost]


def lose_all(servers: Servers) -> None:
    for node in range(NODES):
        servers.redis.lose(node, None)


def test_what_is_rebuilt_is_what_was_lost(worlds: list[tuple[int, Servers]]) -> None:
    for seed, servers in worlds:
        before = known(servers)
        lose_all(servers)
        takeover, intake = taking_over(servers, seed)
        while not finish(takeover.step()):
            assert not intake.is_served
        assert intake.is_served
        assert known(servers) == before, seed
    assert len(worlds) > 50


def test_a_rebuild_that_is_killed_at_any_step_and_begun_again_ends_the_same(worlds: list[tuple[int, Servers]]) -> None:
    killed = 0
    for seed, servers in worlds:
        before = known(servers)
        for steps in count(1):
            lose_all(servers)
            first, _ = taking_over(servers, seed)
            if any(finish(first.step()) for _ in range(steps)):
                break  # it was through before it was to be killed
            killed += 1
            second, _ = taking_over(servers, seed + 1_000)
            while not finish(second.step()):
                pass
            assert known(servers) == before, (seed, steps)
    assert killed > len(worlds)


def test_a_rebuild_says_what_was_lost_and_how_far_it_is(worlds: list[tuple[int, Servers]]) -> None:
    seed, servers = max(worlds, key=lambda world: len(world[1].kafka.all(REPLIES)))
    lose_all(servers)
    takeover, _ = taking_over(servers, seed)
    with capture_logs() as lines:
        while not finish(takeover.step()):
            pass
    lost, *progress, rebuilt = lines
    assert (lost["event"], lost["log_level"], rebuilt["event"]) == ("state_lost", "error", "state_rebuilt")
    assert progress
    assert {line["event"] for line in progress} == {"rebuild_progress"}
    records: list[Any] = [line["records"] for line in progress]
    remaining: list[Any] = [line["remaining"] for line in progress]
    assert records == sorted(set(records))
    assert {done + left for done, left in zip(records, remaining, strict=True)} == {lost["records_to_read"]}
    assert all(line["records_per_s"] >= 0 for line in progress)
    assert (rebuilt["records"], rebuilt["remaining"]) == (lost["records_to_read"], 0)
    assert takeover.recalled == rebuilt["records"]
