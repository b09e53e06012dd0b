"""The faults: each begins, lasts as long as the plan says, and is mended before its function returns."""

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from tests.chaos.fleet import Fleet, Place, all_places
from tests.chaos.plan import Fault
from tests.chaos.proxy import Link, Way
from tests.services.kafka_cluster import KafkaCluster, KafkaNode
from tests.services.redis import RedisServer

SLOW_S: Final = 0.3
"""What slow servers add to each request and to each answer."""

_UNTIL_PUBLISHED_S: Final = 8 * SLOW_S
"""Longer than a batch takes from its beginning to the broker when all is slow: a read and a write there and back."""

Excuse = Literal["paused", "cut off", "late"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """All that can fail."""

    cluster: KafkaCluster
    redis: RedisServer
    fleet: Fleet
    replies: str
    """The topic of replies."""
    group_id: str


async def befall(stage: Stage, fault: Fault) -> set[int]:
    """Let a fault happen, and mend it. The partition indexes whose replies its excuse is good for."""
    return await _FAULTS[fault.kind](stage, fault)


def excuse(kind: str) -> Excuse | None:
    """Why a reply may be repeated because of such a fault.

    Paused: a replica that wakes up after it lost its partition. Cut off: one that comes back after the group gave its
    partition away, and so for a moment has it together with the new owner. Late: a produce request that was on its
    way when its sender gave up. `None`: nothing excuses a repeat.
    """
    return _EXCUSES.get(kind)


_EXCUSES: Final[dict[str, Excuse]] = {
    "replica_paused": "paused",
    "controller_killed": "late",
    "leader_killed": "late",
    "coordinator_killed": "late",
    "kafka_cut": "cut off",
    "kafka_silent": "cut off",
    "kafka_deaf": "cut off",
}


# Replicas


async def _replica_killed(stage: Stage, fault: Fault) -> set[int]:
    await stage.fleet.kill(fault.place)
    await stage.fleet.start(fault.place)
    return set()


async def _replica_killed_at_work(stage: Stage, fault: Fault) -> set[int]:
    """All is slow, so that there is a batch in hand; then its brokers' answers do not come, and then it dies.

    So it dies most often when its replies are in the log and nobody has told it, and nothing is committed.
    """
    links = [link for place in stage.fleet.places for link in (*place.kafka, place.redis)]
    for link in links:
        await asyncio.to_thread(_slow, link)
    await asyncio.sleep(fault.hold_s)
    for link in stage.fleet.places[fault.place].kafka:
        await asyncio.to_thread(link.silence, "back")
    await asyncio.sleep(_UNTIL_PUBLISHED_S)
    await stage.fleet.kill(fault.place)
    for link in links:
        await asyncio.to_thread(link.mend)
    await stage.fleet.start(fault.place)
    return set()


async def _replica_paused(stage: Stage, fault: Fault) -> set[int]:
    held = stage.fleet.partitions(fault.place)
    stage.fleet.signal(fault.place, signal.SIGSTOP)
    await asyncio.sleep(fault.hold_s)
    stage.fleet.signal(fault.place, signal.SIGCONT)
    return held


async def _replicas_scaled(stage: Stage, fault: Fault) -> set[int]:
    others = [number for number in all_places() if number != fault.place]
    await stage.fleet.stop(*others)
    await asyncio.sleep(fault.hold_s)
    await stage.fleet.start(*others)
    return set()


async def _rolling_restart(stage: Stage, _: Fault) -> set[int]:
    for number in all_places():
        await stage.fleet.stop(number)
        await stage.fleet.start(number)
    return set()


# Brokers


async def _controller_killed(stage: Stage, fault: Fault) -> set[int]:
    return await _node_killed(stage, fault, stage.cluster.controller())


async def _leader_killed(stage: Stage, fault: Fault) -> set[int]:
    leaders = list((await asyncio.to_thread(stage.cluster.leaders, stage.replies)).values())
    busiest = max(set(leaders), key=lambda leader: (leaders.count(leader), leader))
    return await _node_killed(stage, fault, stage.cluster.node(busiest))


async def _coordinator_killed(stage: Stage, fault: Fault) -> set[int]:
    return await _node_killed(stage, fault, await asyncio.to_thread(stage.cluster.coordinator, stage.group_id))


async def _node_killed(stage: Stage, fault: Fault, node: KafkaNode) -> set[int]:
    leaders = await asyncio.to_thread(stage.cluster.leaders, stage.replies)
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(fault.hold_s)
    await asyncio.to_thread(node.start)
    await asyncio.to_thread(stage.cluster.wait_until_in_sync)
    return {index for index, leader in leaders.items() if leader == node.node_id}


# Redis


async def _redis_killed(stage: Stage, fault: Fault) -> set[int]:
    await asyncio.to_thread(stage.redis.kill)
    await asyncio.sleep(fault.hold_s)
    await asyncio.to_thread(stage.redis.start)
    return set()


async def _redis_emptied(stage: Stage, fault: Fault) -> set[int]:
    with stage.redis.client() as client:
        await asyncio.to_thread(client.flushall)
    await asyncio.sleep(fault.hold_s)
    return set()


async def _redis_lost_its_tail(stage: Stage, fault: Fault) -> set[int]:
    """Comes back with what it had when the fault began, as a failed disk or a late replica would leave it."""
    with stage.redis.client() as client:
        names = client.config_get("dir", "appenddirname")
    data = Path(names["dir"], names["appenddirname"])
    with TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        await asyncio.to_thread(shutil.copytree, data, copy)
        await asyncio.sleep(fault.hold_s)
        await asyncio.to_thread(stage.redis.kill)
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        await asyncio.to_thread(stage.redis.start)
    return set()


# The network


def _troubled(
    links: Callable[[Place], list[Link]], trouble: Callable[[Link], None], *, all_of_it: bool = False
) -> "_Befall":
    """Trouble between one replica and a server, or, if it is all of the network, between the server and everyone."""

    async def befall(stage: Stage, fault: Fault) -> set[int]:
        places = stage.fleet.places if all_of_it else [stage.fleet.places[fault.place]]
        held = {index for place in places for index in stage.fleet.partitions(place.number)}
        troubled = [link for place in places for link in links(place)]
        for link in troubled:
            await asyncio.to_thread(trouble, link)
        await asyncio.sleep(fault.hold_s)
        for link in troubled:
            await asyncio.to_thread(link.mend)
        return held

    return befall


def _kafka(place: Place) -> list[Link]:
    return place.kafka


def _redis(place: Place) -> list[Link]:
    return [place.redis]


def _silent(*ways: Way) -> Callable[[Link], None]:
    return lambda link: link.silence(*ways)


def _slow(link: Link) -> None:
    link.slow(SLOW_S)


_Befall = Callable[[Stage, Fault], Awaitable[set[int]]]

_FAULTS: Final[dict[str, _Befall]] = {
    "replica_killed": _replica_killed,
    "replica_killed_at_work": _replica_killed_at_work,
    "replica_paused": _replica_paused,
    "replicas_scaled": _replicas_scaled,
    "rolling_restart": _rolling_restart,
    "controller_killed": _controller_killed,
    "leader_killed": _leader_killed,
    "coordinator_killed": _coordinator_killed,
    "redis_killed": _redis_killed,
    "redis_emptied": _redis_emptied,
    "redis_lost_its_tail": _redis_lost_its_tail,
    "kafka_cut": _troubled(_kafka, Link.cut),
    "kafka_silent": _troubled(_kafka, _silent("there", "back")),
    "kafka_deaf": _troubled(_kafka, _silent("back")),
    "kafka_slow": _troubled(_kafka, _slow, all_of_it=True),
    "redis_cut": _troubled(_redis, Link.cut),
    "redis_silent": _troubled(_redis, _silent("there", "back")),
    "redis_slow": _troubled(_redis, _slow, all_of_it=True),
}
