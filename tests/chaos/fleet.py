"""The replicas: three places, each with a network of its own, and in each a worker process that comes and goes."""

import asyncio
import re
import signal
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.chaos.plan import PLACES
from tests.chaos.proxy import Link
from tests.end_to_end.centre import Centre, Worker
from tests.services.kafka_cluster import KafkaCluster

_WAITS_EXCEEDED = re.compile(r"^outbound_order_waits_exceeded_total ([0-9.]+)", re.MULTILINE)
_ASKED_EVERY_S: Final = 1.0


def door(place: int) -> str:
    """The listener of the brokers that the replica in this place is led to."""
    return f"REPLICA{place}"


@dataclass
class Place:
    """Where a replica runs: its links to Kafka and to Redis, and the worker that is there now."""

    number: int
    kafka: list[Link]
    redis: Link
    worker: Worker | None = None


@dataclass
class Fleet:
    """Starts, stops, kills and pauses workers; keeps what each of them came to."""

    centre: Centre
    cluster: KafkaCluster
    places: list[Place]
    wrong: list[str] = field(default_factory=list)
    """What workers did that they must not: ended by themselves, or not with 0 when told to stop."""
    waits_exceeded: dict[int, int] = field(default_factory=dict)
    """Of each worker, by its process id: records that did not wait any longer for the other topic, as last heard."""

    @property
    def running(self) -> list[Place]:
        """The places where a worker is."""
        return [place for place in self.places if place.worker is not None]

    async def start(self, *numbers: int) -> None:
        """Start workers in these places and wait until each is ready."""
        await asyncio.gather(*[self._start(self.places[number]) for number in numbers])

    async def stop(self, *numbers: int) -> None:
        """Tell the workers in these places to stop, all at once; each must end with 0."""
        await asyncio.gather(*[self._stop(self.places[number]) for number in numbers])

    async def kill(self, number: int) -> None:
        """Kill the worker in this place."""
        await self._left(self.places[number]).stop(signal.SIGKILL)

    def signal(self, number: int, sent: signal.Signals) -> None:
        """Send a signal to the worker in this place."""
        worker = self.places[number].worker
        assert worker is not None
        worker.process.send_signal(sent)

    async def replace_ended(self) -> None:
        """Note every worker that has ended by itself, and start another, as who runs it would."""
        for place in self.running:
            if place.worker is not None and place.worker.process.returncode is not None:
                worker = self._left(place)
                code = worker.process.returncode
                self.wrong.append(f"{worker.log.name} ended by itself with {code}: {worker.log.read_text()[-2000:]}")
                await self._start(place)

    def partitions(self, number: int) -> set[int]:
        """The partition indexes that the worker in this place was given last."""
        worker = self.places[number].worker
        given = (
            [] if worker is None else [line for line in worker.log_lines() if line["event"] == "partitions_assigned"]
        )
        return set(given[-1]["partitions"]) if given else set()

    def batches(self) -> list[dict[str, Any]]:
        """The log lines of all batches of all workers."""
        return [line for worker in self.centre.workers for line in worker.log_lines() if line["event"] == "batch"]

    async def listen(self) -> None:
        """Ask the workers for what they only tell while they run. Cancel to stop."""
        while True:
            for place in self.running:
                await self._ask(place.worker)
            await asyncio.sleep(_ASKED_EVERY_S)

    async def _ask(self, worker: Worker | None) -> None:
        if worker is None or worker.process.returncode is not None:
            return
        try:
            async with asyncio.timeout(_ASKED_EVERY_S):
                _, metrics = await worker.get("/metrics")
        except (aiohttp.ClientError, TimeoutError):
            return  # it sleeps, stops or is about to start
        if found := _WAITS_EXCEEDED.search(metrics):
            self.waits_exceeded[worker.process.pid] = int(float(found[1]))

    async def _start(self, place: Place) -> None:
        place.worker = await self.centre.start_worker(
            OUTBOUND_KAFKA_BOOTSTRAP=self.cluster.bootstrap_at(door(place.number)),
            OUTBOUND_REDIS_URL=f"redis://127.0.0.1:{place.redis.port}/0",
        )

    async def _stop(self, place: Place) -> None:
        worker = self._left(place)
        code = await worker.stop()
        if code != 0:
            self.wrong.append(
                f"{worker.log.name} was told to stop and ended with {code}: {worker.log.read_text()[-2000:]}"
            )

    @staticmethod
    def _left(place: Place) -> Worker:
        worker, place.worker = place.worker, None
        assert worker is not None
        return worker


def all_places() -> range:
    """The numbers of all places."""
    return range(PLACES)
