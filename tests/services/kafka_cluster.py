"""Apache Kafka as in production: three nodes, each broker and controller, every topic on all of them.

On this machine always, not in Docker: the brokers reach each other, and tests reach into them, at one address.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.kafka import ANSWER_S, KafkaServer, formatted_node
from tests.services.program import Program, ServiceError
from tests.services.server import READY_S, free_port

NODES: Final = 3
IN_SYNC: Final = 2
"""Replicas that must have a record before it counts as written: with one node down all goes on."""

_HOST: Final = "127.0.0.1"
_HEAP_MB: Final = 256
_JVM: Final = ("-XX:TieredStopAtLevel=1",)  # starts on half the work: nodes are started often, and run briefly
_POLL_S: Final = 0.1


class KafkaNode(KafkaServer):
    """One of the three. `doors` are the ports at which it tells the clients of each door to reach it."""

    def __init__(self, program: Program, node_id: int, port: int, folder: Path, doors: Mapping[str, int]) -> None:
        super().__init__(program, f"{_HOST}:{port}")
        self.node_id = node_id
        self.doors = doors
        self._quorum = folder / "data" / "__cluster_metadata-0" / "quorum-state"

    def answers(self) -> bool:
        """Whether the node is one of the brokers that it tells of: the controller has let it in."""
        try:
            return self.node_id in _admin(self.bootstrap).list_topics(timeout=ANSWER_S).brokers
        except KafkaException:
            return False

    def leader_seen(self) -> tuple[int, int]:
        """The last election that the node knows of: its epoch and the node that leads since, -1 for none."""
        state: dict[str, Any] = json.loads(self._quorum.read_text())
        return state["leaderEpoch"], state["leaderId"]


class KafkaCluster:
    """The three nodes."""

    def __init__(self, nodes: Sequence[KafkaNode]) -> None:
        self.nodes = tuple(nodes)

    @property
    def bootstrap(self) -> str:
        """The nodes' addresses for clients that come straight."""
        return ",".join(node.bootstrap for node in self.nodes)

    def bootstrap_at(self, door: str) -> str:
        """The nodes' addresses for clients that come through a door."""
        return ",".join(f"{_HOST}:{node.doors[door]}" for node in self.nodes)

    def node(self, node_id: int) -> KafkaNode:
        """A node by its id. Raises `ServiceError`."""
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise ServiceError(f"no node of Kafka has the id {node_id}")

    def controller(self) -> KafkaNode:
        """The node that leads the quorum of controllers."""
        _, leader = max(node.leader_seen() for node in self.nodes if node.program.is_running())
        return self.node(leader)

    def leaders(self, topic: str) -> dict[int, int]:
        """The node that leads each partition of a topic."""
        partitions = _admin(self.bootstrap).list_topics(topic, timeout=READY_S).topics[topic].partitions
        return {index: partition.leader for index, partition in partitions.items()}

    def coordinator(self, group_id: str) -> KafkaNode:
        """The node that coordinates a consumer group."""
        client = _admin(self.bootstrap)  # held: one that is forgotten answers nothing any more
        [asked] = client.describe_consumer_groups([group_id], request_timeout=READY_S).values()
        return self.node(asked.result(READY_S).coordinator.id)

    def wait_until_in_sync(self) -> None:
        """Wait until every partition is on all nodes. Raises `ServiceError`."""
        deadline_s = time.monotonic() + READY_S
        while behind := self._behind():
            if time.monotonic() > deadline_s:
                raise ServiceError(f"Kafka's partitions are not on all nodes: {behind}")
            time.sleep(_POLL_S)

    def start(self) -> None:
        """Start all; none of them answers before a second one is there."""
        for node in self.nodes:
            node.program.start()
        for node in self.nodes:
            node.wait_until_it_answers()

    def _behind(self) -> list[str]:
        try:
            topics = _admin(self.bootstrap).list_topics(timeout=ANSWER_S).topics
        except KafkaException as error:
            return [str(error)]
        return [
            f"{name}/{index}"
            for name, topic in topics.items()
            for index, partition in topic.partitions.items()
            if len(partition.isrs) < NODES
        ]


@contextmanager
def kafka_cluster(doors: Sequence[str], lead: Callable[[str, int], int]) -> Iterator[KafkaCluster]:
    """Run three nodes of one's own; their data are gone after. Raises `ServiceError`.

    Each node listens once more for each door. `lead` is told the door and the node's port behind it, and gives the
    port that clients of this door are told: that of a proxy, or the same.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True)))
        controllers = {node_id: free_port() for node_id in range(1, NODES + 1)}
        nodes = [_node(folder / str(node_id), node_id, controllers, doors, lead) for node_id in controllers]
        for node in nodes:
            stack.callback(node.program.discard)
        cluster = KafkaCluster(nodes)
        cluster.start()
        yield cluster


def _node(
    folder: Path,
    node_id: int,
    controllers: Mapping[int, int],
    doors: Sequence[str],
    lead: Callable[[str, int], int],
) -> KafkaNode:
    folder.mkdir()
    port, behind = free_port(), {door: free_port() for door in doors}
    advertised = {door: lead(door, port_behind) for door, port_behind in behind.items()}
    settings = {
        **_configuration(node_id, controllers),
        "log.dirs": str(folder / "data"),
        "listeners": _listeners({"STRAIGHT": port, **behind, "CONTROLLER": controllers[node_id]}),
        "advertised.listeners": _listeners({"STRAIGHT": port, **advertised}),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ("STRAIGHT", "CONTROLLER", *doors)),
    }
    file = folder / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    program = formatted_node(file, folder / "kafka.log", heap_mb=_HEAP_MB, jvm=_JVM)
    return KafkaNode(program, node_id, port, folder, advertised)


def _listeners(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{_HOST}:{port}" for name, port in ports.items())


def _configuration(node_id: int, controllers: Mapping[int, int]) -> Mapping[str, str]:
    """What the nodes have alike. Threads are few: three nodes share the two cores of a small machine."""
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": ",".join(f"{voter}@{_HOST}:{port}" for voter, port in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "STRAIGHT",
        "default.replication.factor": str(NODES),
        "min.insync.replicas": str(IN_SYNC),
        "offsets.topic.replication.factor": str(NODES),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(NODES),
        "transaction.state.log.min.isr": str(IN_SYNC),
        "transaction.state.log.num.partitions": "4",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        # How soon the controller takes a silent broker for dead, and gives its partitions new leaders.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
