"""A call centre for a test: topics and settings of its own, workers as real processes, and a dialer."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.events import CallOutcome, CallRequested
from tests.end_to_end.masking import PersonalData
from tests.services.server import free_port

PATIENCE_S: Final = 60
"""After this a test is taken to hang. No test depends on how long anything takes."""

METADATA_AGE_MS: Final = 500
"""How soon the dialer learns of new partitions."""

COMMAND: Final = (sys.executable, "-m", "worker")

TOPICS: Final = ("call-requested", "call-outcome", "number-assigned", "routing-settings", "dead-letters")

HELSINKI, TAMPERE, STOCKHOLM = "+358912345678", "+358331234567", "+46812345678"
PHONE: Final = "+358401234567"


@dataclass
class Worker:
    """A worker process."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as response,
        ):
            return response.status, await response.text()

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self.process.returncode is not None:
                    raise AssertionError(f"the worker ended: {self.log.read_text()}")
                try:
                    status, _ = await self.get("/readyz")
                except aiohttp.ClientConnectionError:
                    status = 0
                if status == 200:
                    return
                await asyncio.sleep(0.05)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    def log_lines(self) -> list[dict[str, Any]]:
        """All whole lines of the log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    async def holds(self, partitions: int) -> None:
        """Wait until the group has given the worker so many partitions."""
        async with asyncio.timeout(PATIENCE_S):
            while len((await self.logged("partitions_assigned"))[-1]["partitions"]) != partitions:
                await asyncio.sleep(0.05)

    async def handled(self, what: str, count: int) -> None:
        """Wait until the worker's log says that it handled so many `records`, `requests` or `outcomes`."""
        async with asyncio.timeout(PATIENCE_S):
            while sum(line[what] for line in self.log_lines() if line["event"] == "batch") < count:
                await asyncio.sleep(0.05)

    async def logged(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event, once there is one: a batch is logged after its replies are out."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if found := [line for line in self.log_lines() if line["event"] == event]:
                    return found
                await asyncio.sleep(0.05)


class Centre:
    """Names of its own for everything, so that tests share the servers and nothing else."""

    def __init__(self, kafka_bootstrap: str, redis_url: str, folder: Path, **settings: str) -> None:
        self.kafka_bootstrap = kafka_bootstrap
        self.folder = folder
        self.name = f"t{uuid4().hex[:8]}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OUTBOUND_")},
            "OUTBOUND_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "OUTBOUND_REDIS_URL": redis_url,
            "OUTBOUND_GROUP_ID": self.name,
            "OUTBOUND_SESSION_TIMEOUT_MS": "6000",
            "OUTBOUND_LOG_LEVEL": "debug",  # for personal data must not be in the logs at any level
            **{_variable(topic): f"{self.name}-{topic}" for topic in TOPICS},
            **settings,
        }
        self.partitions = 0
        self.workers: list[Worker] = []
        self.replies: defaultdict[tuple[str | None, str], list[ConsumerRecord]] = defaultdict(list)
        self._personal_data = PersonalData()
        self._arrived = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None

    def topic(self, name: str) -> str:
        return self.environment[_variable(name)]

    # The command line

    def command(self, *arguments: str, stdin: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**self.environment, **settings},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """Run a command that must succeed; give what it printed."""
        result = self.command(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def apply(self, settings: str) -> str:
        file = self.folder / "settings.yaml"
        file.write_text(settings)
        return self.done("settings", "apply", str(file), "--yes")

    # Life

    async def open(self, settings: str, *, workers: int = 1, partitions: int = 12) -> None:
        self.partitions = partitions
        self.done("topics", "create", "--partitions", str(partitions), "--replication-factor", "1")
        self.apply(settings)
        self._producer = AIOKafkaProducer(bootstrap_servers=self.kafka_bootstrap, metadata_max_age_ms=METADATA_AGE_MS)
        await self._producer.start()
        self._reading = asyncio.create_task(self._read_replies())
        await asyncio.gather(*[self.start_worker() for _ in range(workers)])

    async def start_worker(self, **settings: str) -> Worker:
        port = free_port()
        log = self.folder / f"worker-{len(self.workers)}-{port}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                "run",
                "--http-port",
                str(port),
                env={**self.environment, **settings},
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=stderr,
            )
        worker = Worker(process, port, log)
        self.workers.append(worker)
        await worker.ready()
        return worker

    async def close(self) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.process.kill()
                await worker.process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()
        for worker in self.workers:
            assert not (shown := self._personal_data.found_in(worker.log.read_text())), f"{worker.log} shows {shown}"

    # The dialer

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        partition: int | None = None,
        at_ms: int | None = None,
    ) -> None:
        assert self._producer is not None, "open the centre first"
        await self._producer.send_and_wait(
            self.topic(topic), value, key, partition=partition, timestamp_ms=at_ms, headers=[("trace", b"t-1")]
        )

    async def dialer_knows(self, topic: str, partitions: int) -> None:
        """Wait until the dialer would write to so many partitions of a topic."""
        assert self._producer is not None, "open the centre first"
        async with asyncio.timeout(PATIENCE_S):
            while len(await self._producer.partitions_for(self.topic(topic))) < partitions:
                await asyncio.sleep(0.05)

    def contact(self, name: str) -> str:
        """A contact id that no other test has."""
        return f"{self.name}:{name}"

    async def request(self, project_id: str, contact: str, **fields: Any) -> str:
        """Ask for a number; give the call's id."""
        contact_id = self.contact(contact)
        call_id = fields.pop("call_id", None) or uuid4().hex
        event = {
            "type": "call-requested",
            "call_id": call_id,
            "project_id": project_id,
            "contact_id": contact_id,
            "phone": PHONE,
            "requested_at": datetime.now(UTC).isoformat(),
            **fields,
        }
        self._personal_data.note(contact_id, call_id, phone=event["phone"])
        await self.send("call-requested", json.dumps(event).encode(), contact_id.encode())
        return call_id

    async def call(self, project_id: str, contact: str, **fields: Any) -> dict[str, Any]:
        """Ask for a number and wait for the reply."""
        call_id = await self.request(project_id, contact, **fields)
        reply: dict[str, Any] = json.loads((await self.reply(self.contact(contact), call_id)).value)
        return reply

    async def outcome(self, project_id: str, contact: str, call_id: str, outcome: str, **fields: Any) -> None:
        contact_id = self.contact(contact)
        event = {
            "type": "call-outcome",
            "call_id": call_id,
            "project_id": project_id,
            "contact_id": contact_id,
            "outcome": outcome,
            "occurred_at": datetime.now(UTC).isoformat(),
            **fields,
        }
        self._personal_data.note(contact_id, call_id)
        await self.send("call-outcome", json.dumps(event).encode(), contact_id.encode())

    async def send_portions(self, portions: Sequence[Sequence[CallRequested | CallOutcome]]) -> None:
        """Write events in portions, each when the one before is in the log, their time as the record's timestamp."""
        assert self._producer is not None, "open the centre first"
        for portion in portions:
            acknowledgements = [
                await self._producer.send(
                    self.topic(event.type),
                    event.model_dump_json(exclude_none=True).encode(),
                    event.contact_id.encode(),
                    timestamp_ms=int(_time_of(event).timestamp() * 1_000),
                )
                for event in portion
            ]
            await asyncio.gather(*acknowledgements)

    async def reply(self, contact_id: str | None, call_id: str, *, count: int = 1) -> ConsumerRecord:
        """Wait until the call has so many replies; give the last."""
        await self.wait_until(lambda: len(self.replies[contact_id, call_id]) >= count)
        return self.replies[contact_id, call_id][-1]

    async def settled(self) -> None:
        """Wait until the group has committed everything that was sent."""
        group = self.environment["OUTBOUND_GROUP_ID"]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka_bootstrap, group_id=group)
        await consumer.start()
        try:
            topics = [self.topic("call-requested"), self.topic("call-outcome")]
            tps = [TopicPartition(topic, index) for topic in topics for index in range(self.partitions)]
            async with asyncio.timeout(PATIENCE_S):
                ends = await consumer.end_offsets(tps)
                for tp, end in ends.items():
                    while (await consumer.committed(tp) or 0) < end:
                        await asyncio.sleep(0.02)
        finally:
            await consumer.stop()

    @property
    def replies_read(self) -> int:
        """All replies so far, repeats counted."""
        return sum(map(len, self.replies.values()))

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was replied satisfies a condition."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(condition)

    async def _read_replies(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic("number-assigned"),
            bootstrap_servers=self.kafka_bootstrap,
            auto_offset_reset="earliest",
            metadata_max_age_ms=METADATA_AGE_MS,
        )
        read: set[tuple[int, int]] = set()
        try:
            await consumer.start()  # within: a centre may be closed before it is through
            async for record in consumer:
                if (record.partition, record.offset) in read:
                    continue  # a consumer without a group begins anew when the topic has grown
                read.add((record.partition, record.offset))
                fields = json.loads(record.value)
                async with self._arrived:
                    self.replies[fields["contact_id"], fields["call_id"]].append(record)
                    self._arrived.notify_all()
        finally:
            await consumer.stop()


def _variable(topic: str) -> str:
    return f"OUTBOUND_TOPIC_{topic.replace('-', '_').upper()}"


def _time_of(event: CallRequested | CallOutcome) -> datetime:
    return event.requested_at if isinstance(event, CallRequested) else event.occurred_at
