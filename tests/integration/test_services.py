"""The servers of the tests themselves: they survive what they should, and nothing survives the tests."""

import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.services.kafka import KafkaServer, kafka_bootstrap, kafka_server
from tests.services.program import ChildProcess, ServiceError
from tests.services.redis import RedisServer, redis_binary, redis_cluster, redis_server, redis_url
from tests.services.source import source
from worker.stream.connection import KafkaConnection
from worker.stream.topics import CallTopics, require_topics


@asynccontextmanager
async def admin_of(server: KafkaServer) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_topics_survive_a_restart_and_a_crash_of_kafka() -> None:
    with kafka_server() as server:
        async with admin_of(server) as admin:
            await admin.create_topics([NewTopic("kept", 1, 1)])
        server.restart()
        server.kill()
        assert not server.answers()
        server.start()
        async with admin_of(server) as admin:
            assert "kept" in await admin.list_topics()


@pytest.fixture(params=[True, False], ids=["keeps_data", "forgets"])
def redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with redis_server(keeps_data=request.param) as server:
        yield server


def test_redis_keeps_its_data_over_a_restart_if_it_is_to(redis: RedisServer, request: pytest.FixtureRequest) -> None:
    with redis.client() as client:
        client.set("name", "value")
    redis.restart()
    with redis.client() as client:
        assert client.exists("name") == ("keeps_data" in request.node.name)


def test_a_killed_redis_answers_again_at_the_same_address(redis: RedisServer) -> None:
    url = redis.url
    redis.kill()
    assert not redis.answers()
    redis.start()
    assert redis.answers()
    assert redis.url == url


def test_every_node_of_a_cluster_knows_who_has_a_slot() -> None:
    with redis_cluster() as cluster:
        for node in cluster.nodes:
            with node.client() as client:
                shares = [(first, last) for first, last, *_ in client.cluster("SLOTS")]
            assert sorted(shares) == [(0, 5460), (5461, 10921), (10922, 16383)]


async def test_the_topics_of_a_test_are_those_that_a_worker_accepts(kafka_bootstrap: str, topics: CallTopics) -> None:
    assert await require_topics(KafkaConnection(bootstrap=kafka_bootstrap), topics) == 12


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    program = ChildProcess([redis_binary(), "--port", "no-number"], tmp_path / "log")
    with pytest.raises(ServiceError, match="no-number"), RedisServer(program, "", 1):
        pass


def test_addresses_that_are_given_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "broker.example:9092")
    monkeypatch.setenv("REDIS_URL", "redis://redis.example:6379/0")
    with kafka_bootstrap() as bootstrap, redis_url() as url:
        assert (bootstrap, url) == ("broker.example:9092", "redis://redis.example:6379/0")


def test_an_unknown_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SERVICES", "podman")
    with pytest.raises(ServiceError, match="write docker or local"):
        source()


PATIENCE_S = 60
"""After this a test is taken to hang."""

PARENT = """
import sys
from pathlib import Path
from tests.services.program import ChildProcess
command = ["/bin/sh", "-c", 'echo $$ >"$0"; exec sleep 600', sys.argv[1]]
ChildProcess(command, Path(sys.argv[2])).start()
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_process_dies_with_its_parent(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)  # to read it is to wait until the child has written its process id
    command = [sys.executable, "-c", PARENT, str(started), str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
        child = os.pidfd_open(int(started.read_text()))
        parent.kill()
    try:
        # The end of a process makes its descriptor readable.
        readable, _, _ = select.select([child], [], [], PATIENCE_S)
        assert readable
    finally:
        os.close(child)
