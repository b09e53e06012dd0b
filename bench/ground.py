"""Where it is measured: one broker and one Redis for all, and for each run topics, a group and an empty Redis."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from bench import load
from bench.load import Load
from bench.worker import RunningWorker
from tests.services.kafka import KafkaServer, kafka_server
from tests.services.program import ChildProcess
from tests.services.redis import RedisServer, redis_server
from tests.services.server import free_port

TOPICS: Final = ("call-requested", "call-outcome", "number-assigned", "routing-settings", "dead-letters")
INPUTS: Final = TOPICS[:2]
REPLIES: Final = "number-assigned"

_ANSWER_S: Final = 60.0
_PATIENCE_S: Final = 300.0
_POLL_S: Final = 0.05
_LAST_POLL_S: Final = 0.01
_NO_ANSWER_YET: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - its name
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""What is said of a group's offsets by brokers that have just been set up, or have too much to do."""
_ROOT: Final = Path(__file__).parents[1]


class BenchError(Exception):
    """What was to be measured did not happen; the text says what, and the end of the log that may say why."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The broker and the Redis."""

    kafka: KafkaServer
    redis: RedisServer

    @property
    def broker_pid(self) -> int | None:
        """The process of the broker, if it is one of this machine's."""
        program = self.kafka.program
        return program.pid if isinstance(program, ChildProcess) else None

    @property
    def redis_pid(self) -> int | None:
        """Likewise of Redis."""
        program = self.redis.program
        return program.pid if isinstance(program, ChildProcess) else None

    @contextmanager
    def site(self, shape: Load, **settings: str) -> Iterator["Site"]:
        """A place for one run: an empty Redis, topics and settings in force; all gone after."""
        with self.redis.client() as client:
            client.flushall(asynchronous=True)  # a million replies take longer to delete than a client waits
        with TemporaryDirectory(prefix="bench-") as folder:
            site = Site(self, shape, Path(folder), settings)
            site.open()
            try:
                yield site
            finally:
                site.close()


@contextmanager
def servers() -> Iterator[Servers]:
    """Start the broker and the Redis as the tests do. Raises `ServiceError`."""
    with kafka_server() as kafka, redis_server() as redis:
        yield Servers(kafka, redis)


class Site:
    """One run's own topics, group and workers."""

    def __init__(self, servers: Servers, shape: Load, folder: Path, settings: Mapping[str, str]) -> None:
        self.servers = servers
        self.shape = shape
        self.folder = folder
        self.name = f"b{uuid4().hex[:8]}"
        self.bootstrap = servers.kafka.bootstrap
        self.topic_of = {topic: f"{self.name}-{topic}" for topic in TOPICS}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OUTBOUND_")},
            "PYTHONPATH": str(_ROOT),
            "OUTBOUND_KAFKA_BOOTSTRAP": self.bootstrap,
            "OUTBOUND_REDIS_URL": servers.redis.url,
            "OUTBOUND_GROUP_ID": self.name,
            **{f"OUTBOUND_TOPIC_{topic.replace('-', '_').upper()}": name for topic, name in self.topic_of.items()},
            **settings,
        }
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        self._watchers: dict[str, Consumer] = {}
        self._workers: list[RunningWorker] = []

    def open(self) -> None:
        """Make the topics and apply the settings, by the commands that users have."""
        self.command("topics", "create", "--partitions", str(self.shape.partitions), "--replication-factor", "1")
        file = self.folder / "settings.yaml"
        file.write_text(load.settings(self.shape))
        self.command("settings", "apply", str(file), "--yes")

    def close(self) -> None:
        """End what still runs, and delete the topics."""
        for worker in self._workers:
            worker.kill()
        for watcher in self._watchers.values():
            watcher.close()
        for deleted in self._admin.delete_topics(list(self.topic_of.values())).values():
            deleted.result(_ANSWER_S)

    def command(self, *arguments: str) -> str:
        """Run a command of the worker's; give what it printed. Raises `BenchError`."""
        result = subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise BenchError(f"{' '.join(arguments[:2])} failed: {result.stderr}")
        return result.stdout

    def write(self, shape: Load | None = None, *, prefix: str = "") -> None:
        """Write the load of this shape, or of another one with other calls."""
        load.write(self.bootstrap, self.topic_of, shape or self.shape, prefix=prefix)

    def start_worker(self, *launcher: str) -> RunningWorker:
        """Start a worker as users do, or by another program that is given the same arguments."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        command = [*(launcher or ("-m", "worker")), "run", "--http-port", str(free_port())]
        worker = RunningWorker([sys.executable, *command], self.environment, self.folder, log)
        self._workers.append(worker)
        return worker

    def start_process(self, *arguments: str) -> RunningWorker:
        """Start another Python program in the same environment, such as a rival of the worker."""
        log = self.folder / f"process-{len(self._workers)}.log"
        worker = RunningWorker([sys.executable, *arguments], self.environment, self.folder, log)
        self._workers.append(worker)
        return worker

    # What the logs of Kafka say

    def ends(self, topics: tuple[str, ...] = INPUTS) -> dict[tuple[str, int], int]:
        """Where the logs of these topics end, by topic and partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"{self.name}-ends", "log_level": 0})
        try:
            return {
                (self.topic_of[topic], index): consumer.get_watermark_offsets(
                    TopicPartition(self.topic_of[topic], index), _ANSWER_S
                )[1]
                for topic in topics
                for index in range(self.shape.partitions)
            }
        finally:
            consumer.close()

    def handled(self, group: str | None = None, indexes: Collection[int] | None = None) -> int:
        """How many records the group has committed, of these partitions or of all."""
        name = group or self.name
        if name not in self._watchers:
            # It asks for the group's offsets and never joins it.
            self._watchers[name] = Consumer({"bootstrap.servers": self.bootstrap, "group.id": name, "log_level": 0})
        every = range(self.shape.partitions) if indexes is None else indexes
        wanted = [TopicPartition(self.topic_of[topic], index) for topic in INPUTS for index in every]
        try:
            committed = self._watchers[name].committed(wanted, _ANSWER_S)
        except KafkaException as error:
            if error.args[0].retriable() or error.args[0].code() in _NO_ANSWER_YET:
                return 0
            raise
        return sum(max(0, tp.offset) for tp in committed)

    def wait_until_handled(
        self, count: int, worker: RunningWorker, group: str | None = None, indexes: Collection[int] | None = None
    ) -> None:
        """Wait until the group has committed so many records. Only the broker is asked, not the worker."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while (handled := self.handled(group, indexes)) < count:
            if not worker.is_running():
                raise BenchError(f"the worker ended:\n{worker.log_tail()}")
            if time.monotonic() > deadline_s:
                raise BenchError(f"{handled} of {count} records after {_PATIENCE_S:.0f} s:\n{worker.log_tail()}")
            time.sleep(_POLL_S if handled < 0.9 * count else _LAST_POLL_S)

    def first_reply_s(self) -> float:
        """When the first reply was made, by the clock that `time.time` gives, in seconds."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.name}-replies",
                "enable.auto.commit": False,
                "fetch.message.max.bytes": 10_000,
                "log_level": 0,
            }
        )
        first_ms = []
        try:
            for (topic, index), end in self.ends((REPLIES,)).items():
                if end:
                    consumer.assign([TopicPartition(topic, index, 0)])
                    message = consumer.poll(_ANSWER_S)
                    if message is None or message.error():
                        raise BenchError(f"the first reply of {topic}-{index} cannot be read")
                    first_ms.append(message.timestamp()[1])
        finally:
            consumer.close()
        return min(first_ms) / 1_000
