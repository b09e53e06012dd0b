"""A Redis Cluster of six, and a Redis with a replica, that fail over under traffic."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.campaigns import SETTINGS
from tests.end_to_end.centre import Centre
from tests.services.program import ChildProcess
from tests.services.redis import (
    RedisClusterServers,
    RedisServer,
    redis_cluster,
    redis_replica,
    redis_server,
    role,
    wait_for_replicas,
)
from tests.topologies.forwarder import Forwarder
from tests.topologies.rounds import Rounds


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisClusterServers]:
    with redis_cluster(replicas=True) as cluster:
        yield cluster


@pytest.fixture
async def rounds(kafka_bootstrap: str, cluster: RedisClusterServers, tmp_path: Path) -> AsyncIterator[Rounds]:
    centre = Centre(kafka_bootstrap, cluster.url, tmp_path)
    await centre.open(SETTINGS, workers=2)
    yield Rounds(centre)
    await centre.close()


def quiet(cluster: RedisClusterServers) -> None:
    """Wait until the replicas of all masters have all of what the contacts of the rounds came to."""
    for master in cluster.masters():
        wait_for_replicas(master)


async def test_a_master_that_dies_is_replaced_and_all_calls_are_answered_once(
    rounds: Rounds, cluster: RedisClusterServers
) -> None:
    await rounds.round()
    quiet(cluster)
    killed = cluster.masters()[0]  # the one whose address is configured
    async with rounds.passers_by():
        killed.kill()
        await rounds.round()
        await asyncio.to_thread(cluster.wait_for_masters)
    assert killed not in cluster.masters()
    killed.start()
    await asyncio.to_thread(cluster.wait_until_whole)
    await rounds.round()
    await rounds.judge()


async def test_a_master_that_hangs_is_replaced_and_comes_back_as_a_replica(
    rounds: Rounds, cluster: RedisClusterServers
) -> None:
    await rounds.round()
    quiet(cluster)
    hanging = cluster.masters()[-1]
    assert isinstance(hanging.program, ChildProcess)
    async with rounds.passers_by():
        hanging.program.send_signal(signal.SIGSTOP)
        try:
            await rounds.round()
        finally:
            hanging.program.send_signal(signal.SIGCONT)
        await asyncio.to_thread(cluster.wait_until_whole)
        assert role(hanging) == "slave"
        await rounds.round()
    await rounds.judge()


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    with redis_server(keeps_data=True) as master, redis_replica(master) as replica:
        yield master, replica


async def test_a_replica_that_is_promoted_by_hand_is_followed(
    kafka_bootstrap: str, pair: tuple[RedisServer, RedisServer], tmp_path: Path
) -> None:
    master, replica = pair
    async with Forwarder(master) as address:
        centre = Centre(kafka_bootstrap, address.url, tmp_path)
        try:
            await centre.open(SETTINGS, workers=2)
            rounds = Rounds(centre)
            await rounds.round()
            wait_for_replicas(master)
            async with rounds.passers_by():
                # As the documentation has it: nobody writes while the roles change, then the address moves. The
                # workers' connections stay open, and lead to what is a replica now.
                with master.client() as old, replica.client() as new:
                    old.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
                    await asyncio.to_thread(wait_for_replicas, master)
                    new.execute_command("REPLICAOF", "NO", "ONE")
                    address.target = replica
                    old.execute_command("REPLICAOF", replica.host, replica.port)
                    old.execute_command("CLIENT", "UNPAUSE")
                await rounds.round()
            assert (role(master), role(replica)) == ("slave", "master")
            await rounds.judge()
        finally:
            await centre.close()
