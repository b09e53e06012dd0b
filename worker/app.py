"""The composition root: the one place that knows every part, and the worker's life from start to stop."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

import structlog
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.config import Config
from worker.health import Place, PortInUseError, Pulse, at_address, serving
from worker.loop.delivery import Delivery
from worker.loop.limit import DeadLetterLimit
from worker.loop.loop import Loop
from worker.loop.patience import Patience
from worker.loop.rebuild import Rebuild
from worker.loop.report import BatchReport
from worker.loop.takeover import TakeOver
from worker.metrics import Gauges, LimitLog, Metrics, log_batch
from worker.state.store import RedisContactStore, connect
from worker.stream.call_logs import CallLogs
from worker.stream.connection import KafkaConnection
from worker.stream.group import count_members
from worker.stream.intake import Intake
from worker.stream.publisher import Publisher
from worker.stream.settings_topic import SettingsFollower
from worker.stream.topics import CallTopics, require_topics

GRACE_S: Final = 7.0
"""How long the batch in hand may take when the worker is told to stop."""

CLOSING_S: Final = 2.0
"""How long leaving the group and closing the connections may take then. Both together: under the 10 s after which
orchestrators kill."""

COMMIT_EVERY: Final = timedelta(milliseconds=100)
"""How seldom offsets are committed while batches keep coming."""

YOUNG_OBJECTS: Final = 100_000
"""New objects after which the garbage collector looks at them: some batches' worth, of which hardly any is in a cycle.
At Python's own 700 it looked dozens of times a batch."""

log = structlog.get_logger(__name__)


class UnfinishedError(Exception):
    """The worker stopped without finishing the batch in hand: nothing of it is committed, and it comes again."""


def kafka_connection(config: Config) -> KafkaConnection:
    """How the configuration says to reach Kafka."""
    password = config.kafka_sasl_password
    return KafkaConnection(
        bootstrap=config.kafka_bootstrap,
        security_protocol=config.kafka_security_protocol,
        sasl_mechanism=config.kafka_sasl_mechanism,
        sasl_username=config.kafka_sasl_username,
        sasl_password=password.get_secret_value() if password else None,
        ca_file=config.kafka_ca_file,
        cert_file=config.kafka_cert_file,
        key_file=config.kafka_key_file,
    )


def call_topics(config: Config) -> CallTopics:
    """What the configuration calls the topics."""
    return CallTopics(
        call_requested=config.topic_call_requested,
        call_outcome=config.topic_call_outcome,
        number_assigned=config.topic_number_assigned,
        routing_settings=config.topic_routing_settings,
        dead_letters=config.topic_dead_letters,
    )


@asynccontextmanager
async def contact_store(config: Config) -> AsyncIterator[RedisContactStore]:
    """The contacts in Redis. Raises `RedisUnavailableError`."""
    password = config.redis_password
    store = await connect(
        config.redis_url,
        username=config.redis_username,
        password=password.get_secret_value() if password else None,
        ca_file=config.redis_ca_file,
        buckets=config.state_buckets,
        retention_s=config.state_retention_days * 86_400,
        reply_retention_s=config.reply_retention_hours * 3_600,
    )
    try:
        yield store
    finally:
        await store.close()


async def run(config: Config, stop: asyncio.Event, place: Place | None = None) -> None:
    """Run the worker until `stop` is set; then finish the batch in hand, commit it and leave the group.

    Health and metrics are served at `place`, or else at the address of the configuration.
    Raises what names the thing, the place and the mend if a part cannot be started, `UnfinishedError` if the
    batch in hand cannot be finished, and what ended the loop or the settings otherwise.
    """
    connection, topics = kafka_connection(config), call_topics(config)
    partitions = await require_topics(connection, topics)
    if config.state_buckets % partitions:
        log.warning("buckets_shared_by_partitions", state_buckets=config.state_buckets, partitions=partitions)
    async with contact_store(config) as contacts:
        settings = SettingsFollower(connection, topics.routing_settings)
        intake = Intake(connection, topics, config.group_id, config.session_timeout_ms)
        publisher = Publisher(connection, topics, max_request_size=config.max_request_size)
        metrics, pulse = Metrics(), Pulse()
        limit = DeadLetterLimit(config.dead_letter_limit_percent, config.dead_letter_window_records)

        def observe(report: BatchReport) -> None:
            metrics.observe(report)
            log_batch(report)

        patiently = Patience(_is_outage, pulse.beat)
        takeover = TakeOver(
            topics=topics,
            intake=intake,
            logs=CallLogs(connection, topics, config.group_id),
            contacts=contacts,
            now=_now,
            token=_token,
            alive=pulse.beat,
        )
        metrics.registry.register(
            Gauges(
                lag=intake.lag,
                settings_version=lambda: settings.routing().version,
                settings_refused=lambda: settings.refusals,
                waits_exceeded=lambda: intake.waits_exceeded,
                paused=lambda: limit.is_exceeded,
                takeover=takeover,
            )
        )
        loop = Loop(
            intake=intake,
            takeover=takeover,
            delivery=Delivery(
                publisher=publisher,
                offsets=intake,
                patiently=patiently,
                spawn=asyncio.create_task,
                now=_now,
                commit_every=COMMIT_EVERY,
                observe=observe,
            ),
            contacts=contacts,
            routing=settings.routing,
            call_requested=topics.call_requested,
            selection_key=config.selection_key.get_secret_value().encode(),
            now=_now,
            patiently=patiently,
            limit=limit,
            over_limit=LimitLog(config.dead_letter_limit_percent, config.dead_letter_window_records),
        )
        try:
            async with serving(
                place or at_address(config.http_host, config.http_port),
                pulse=pulse,
                conditions={
                    "settings": lambda: settings.is_loaded,
                    "partitions": lambda: intake.is_assigned,
                    "dead_letters_within_limit": lambda: not limit.is_exceeded,
                },
                dependencies={"redis": contacts.ping, "kafka": intake.ping},
                registry=metrics.registry,
            ):
                await _live(
                    loop=loop, settings=settings, intake=intake, takeover=takeover, publisher=publisher, stop=stop
                )
        except PortInUseError:
            await intake.stop()  # which was never started, and wants to be closed all the same
            raise


@asynccontextmanager
async def rebuilding(config: Config, progress: Callable[[int, int], None]) -> AsyncIterator[tuple[Rebuild, int]]:
    """What rebuilds state by hand, and the number of partitions.

    `progress` is told how many records were read more, and how many remain. Raises `TopicMismatchError`,
    `KafkaUnavailableError` and `RedisUnavailableError`.
    """
    connection, topics = kafka_connection(config), call_topics(config)
    partitions = await require_topics(connection, topics)
    async with contact_store(config) as contacts:
        rebuild = Rebuild(
            logs=CallLogs(connection, topics, config.group_id),
            contacts=contacts,
            partitions=partitions,
            count_members=partial(count_members, connection, config.group_id),
            now=_now,
            token=_token(),
            progress=progress,
        )
        _settle_memory()  # else a record of a rebuild costs 18 µs more
        yield rebuild, partitions


def _now() -> datetime:
    return datetime.now(UTC)


def _token() -> str:
    return uuid4().hex


async def _live(  # noqa: PLR0913 - the parts whose life it is
    *,
    loop: Loop,
    settings: SettingsFollower,
    intake: Intake,
    takeover: TakeOver,
    publisher: Publisher,
    stop: asyncio.Event,
) -> None:
    """Start, run until told to stop or until a task dies, and leave in good order."""
    following = asyncio.create_task(settings.follow(), name="settings")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = {following, stopping}
    try:
        if not await _first(asyncio.create_task(settings.loaded(), name="loading"), tasks):
            return
        await publisher.start()
        await intake.start()
        log.info("worker_started")
        _settle_memory()
        looping = asyncio.create_task(loop.run(stop), name="loop")
        tasks.add(looping)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await _finish(looping, stop)
        if following.done():
            following.result()
    finally:
        await _close(tasks=_cancel(tasks), group=intake.stop(), rebuild=takeover.close(), producer=publisher.stop())
        log.info("worker_stopped")


def _settle_memory() -> None:
    """Let the garbage collector pass over what stays for good, and come more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


async def _first(task: asyncio.Task[None], others: set[asyncio.Task[Any]]) -> bool:
    """Wait for a task; give up, and say so, when one of the others ends before it."""
    await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return True
    await _cancel({task})
    for other in others:
        if other.done():
            other.result()
    return False


async def _finish(looping: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    try:
        async with asyncio.timeout(GRACE_S):
            await looping
    except TimeoutError:
        raise UnfinishedError(
            f"the batch in hand could not be finished within {GRACE_S:.0f} s: Kafka or Redis does not answer. "
            "It was not committed; its records come again."
        ) from None


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close(**parts: Coroutine[Any, Any, None]) -> None:
    """Close the parts side by side, each as far as its server lets it in the time there is."""
    closing = {asyncio.create_task(part, name=name) for name, part in parts.items()}
    done, open_still = await asyncio.wait(closing, timeout=CLOSING_S)
    for part in open_still:
        part.cancel()
        log.warning("not_closed", part=part.get_name(), reason="no answer")
    for part in done:
        if not part.cancelled() and (error := part.exception()):
            log.warning("not_closed", part=part.get_name(), reason=str(error) or type(error).__name__)


_OUTAGES: Final = (
    KafkaConnectionError,
    KafkaTimeoutError,
    # What a new producer mends, and the publisher takes one after any failure.
    OutOfOrderSequenceNumber,
    UnknownProducerId,
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ClusterDownError,
    TryAgainError,
    ReadOnlyError,  # a primary that became a replica, by failover or by hand
    OutOfMemoryError,
)
"""What a client meets while its server is down, moves or is full."""

_REDIS_OUTAGES: Final = ("MISCONF", "NOREPLICAS", "MASTERDOWN")
"""The same, of the answers of Redis for which redis-py has no class: no disk, too few replicas, no primary."""


def _is_outage(error: Exception) -> bool:
    """Whether the error is one that the return of Kafka or Redis will mend."""
    if isinstance(error, AuthenticationError):
        # To redis-py it is an error of the connection. A worker that is started again takes the new password with it.
        return False
    return (
        isinstance(error, _OUTAGES)
        or (isinstance(error, KafkaError) and bool(error.retriable))
        or (isinstance(error, ResponseError) and str(error).startswith(_REDIS_OUTAGES))
    )
