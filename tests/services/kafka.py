"""Apache Kafka: one node in KRaft mode, broker and controller in one."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.container import Container, docker_host
from tests.services.kafka_jars import java, kafka_jars
from tests.services.program import ChildProcess, Program, ServiceError
from tests.services.server import Server, free_port
from tests.services.source import source

IMAGE: Final = "apache/kafka:4.3.0"
LOG_CONFIGURATION: Final = Path(__file__).with_name("log4j2.properties")

CLUSTER_ID: Final = "b3V0Ym91bmQtbnVtYmVycw"  # any 16 bytes, as Kafka writes a UUID
ANSWER_S: Final = 1.0
_HEAP_MB: Final = 512


class KafkaServer(Server):
    """A broker of the test's own."""

    def __init__(self, program: Program, bootstrap: str) -> None:
        super().__init__(program)
        self.bootstrap = bootstrap

    def answers(self) -> bool:
        """Whether a broker is in the cluster's metadata, which is when topics can be created."""
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=ANSWER_S).brokers)
        except KafkaException:
            return False


@contextmanager
def kafka_server() -> Iterator[KafkaServer]:
    """Run a broker of one's own, in Docker or on this machine; its data are gone after. Raises `ServiceError`."""
    if source() == "docker":
        with _in_docker() as server:
            yield server
        return
    with (
        TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True) as folder,
        _on_this_machine(Path(folder)) as server,
    ):
        yield server


@contextmanager
def kafka_bootstrap() -> Iterator[str]:
    """The address of a broker to share: `KAFKA_BOOTSTRAP`, else one that is run meanwhile. Raises `ServiceError`."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield given
        return
    with kafka_server() as server:
        yield server.bootstrap


def _in_docker() -> KafkaServer:
    host, port = docker_host(), free_port()
    # The controller's port stays inside the container.
    settings = configuration(listen="", advertise=host, port=port, controller_port=port + 1)
    environment = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
    return KafkaServer(Container(IMAGE, port, environment=environment), f"{host}:{port}")


def _on_this_machine(folder: Path) -> KafkaServer:
    host, port = "127.0.0.1", free_port()
    settings = configuration(listen=host, advertise=host, port=port, controller_port=free_port())
    return KafkaServer(local_program(folder, settings), f"{host}:{port}")


def local_program(folder: Path, settings: Mapping[str, str], *format_options: str) -> ChildProcess:
    """A broker on this machine with its data in `folder`, formatted. Raises `ServiceError`."""
    file = folder / "server.properties"
    written = {**settings, "log.dirs": str(folder / "data")}
    file.write_text("".join(f"{name}={value}\n" for name, value in written.items()))
    return formatted_node(file, folder / "kafka.log", heap_mb=_HEAP_MB, format_options=format_options)


def formatted_node(
    configuration: Path, log: Path, *, heap_mb: int, jvm: Sequence[str] = (), format_options: Sequence[str] = ()
) -> ChildProcess:
    """A node of this machine, to be started: its storage is formatted as the file says. Raises `ServiceError`."""
    run = java_command(heap_mb, *jvm)
    _format(
        [*run, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(configuration)],
        format_options,
    )
    return ChildProcess([*run, "kafka.Kafka", configuration], log)


def java_command(heap_mb: int = _HEAP_MB, *jvm: str) -> list[str]:
    """What runs a class of Kafka's jars, whose name is to follow. Raises `ServiceError`."""
    return [
        *(java(), f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", *jvm, f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"),
        *("-cp", f"{kafka_jars()}/*"),
    ]


def _format(command: list[str], options: Sequence[str]) -> None:
    result = subprocess.run(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ServiceError(f"Kafka's storage cannot be formatted:\n{result.stdout}")


def configuration(*, listen: str, advertise: str, port: int, controller_port: int) -> Mapping[str, str]:
    """What one node needs. Else as it comes, but naming a topic does not create it, and groups form at once."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{listen or 'localhost'}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://{listen}:{port},CONTROLLER://{listen}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{advertise}:{port}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # After a crash the controller does not let the broker in until its last session is over.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
