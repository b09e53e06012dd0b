"""Everything put together: a broker, a Redis, the worker itself and someone who calls, in one program.

The worker is the very same that `run` starts. It only gets its configuration from here, not from the environment,
which is about another Kafka and another Redis.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Final, NamedTuple

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from schemas.settings import AgentSettings, ProjectSettings, SettingsRecord
from worker import app, log
from worker.config import Config
from worker.demo.broker import embedded_broker
from worker.demo.call_list import CallList
from worker.demo.dialer import Dialer
from worker.demo.events_file import FileEvent
from worker.demo.line import Line, open_line
from worker.demo.phones import calling_codes
from worker.demo.redis_server import embedded_redis, free_port
from worker.demo.replay import Replay
from worker.demo.showing import Show
from worker.settings.difference import difference
from worker.stream.settings_topic import write_settings
from worker.stream.topics import CallTopics

_READY_POLL_S: Final = 0.05


class DemoConfig(Config):
    """A configuration that the environment has no part in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - this and the last ones as pydantic-settings passes them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed counts."""
        return (init_settings,)


class Stage(NamedTuple):
    """What is there once the worker is ready: a dialer's line to it, and its configuration."""

    config: Config
    topics: CallTopics
    line: Line


Act = Callable[[Stage], Awaitable[None]]
"""Someone who calls. Returns when done; cancelled when the demo is told to stop."""


async def perform(settings: Iterable[SettingsRecord], act: Act, show: Show, stop: asyncio.Event) -> bool:
    """Start all parts, apply the settings, let the act run, and stop all parts in good order.

    Gives whether the act came to its end, and was not stopped. Raises what the worker raises, `DemoError` and
    aiokafka's `KafkaError`.
    """
    async with show:
        show.note("Starting a broker, a Redis and the worker ...")
        async with _config() as config:
            log.configure(config)
            topics = app.call_topics(config)
            writes = difference((), settings).writes()
            await write_settings(app.kafka_connection(config), topics.routing_settings, writes)
            async with open_line(config.kafka_bootstrap, topics.number_assigned) as line:
                finished = await _beside_worker(act, Stage(config, topics, line), show, stop)
    show.note("Stopped: the worker finished its batch and left the group.")
    return finished


def dialing(
    settings: Iterable[SettingsRecord], *, rate_per_s: float, seconds: float | None, seed: int, show: Show
) -> Act:
    """The simulated dialer, for so many seconds or until stopped."""
    records = tuple(settings)
    projects = {each.project_id: calling_codes(each.numbers) for each in records if isinstance(each, ProjectSettings)}
    agents = [each.agent_id for each in records if isinstance(each, AgentSettings)]

    async def act(stage: Stage) -> None:
        calls = CallList(projects, agents, Random(seed))  # noqa: S311 - a game of chance, not a secret
        dialer = Dialer(stage.line, stage.topics, calls, rate_per_s=rate_per_s, show=show.show)
        running = asyncio.create_task(dialer.run(), name="dialer")
        try:
            await asyncio.wait({running}, timeout=seconds)
            if running.done():
                running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return act


def replaying(events: list[FileEvent], *, show: Show) -> Act:
    """The user's own events, until each request is answered."""

    async def act(stage: Stage) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=stage.config.kafka_bootstrap)
        await admin.start()
        replay = Replay(
            stage.line,
            admin,
            events,
            topic=stage.topics.call_requested,
            group_id=stage.config.group_id,
            show=show.show,
        )
        try:
            await replay.run()
        finally:
            await admin.close()

    return act


@asynccontextmanager
async def _config() -> AsyncIterator[Config]:
    topics = CallTopics()
    names = (*topics.inputs, topics.number_assigned, topics.routing_settings, topics.dead_letters)
    with embedded_broker(names) as bootstrap:
        async with embedded_redis() as redis:
            yield DemoConfig(
                kafka_bootstrap=bootstrap,
                redis_url=redis.url,
                redis_password=redis.password,
                http_port=free_port(),
                log_level="warning",
            )


async def _beside_worker(act: Act, stage: Stage, show: Show, stop: asyncio.Event) -> bool:
    """Run the act as long as the worker runs; then stop the worker, which finishes its batch in hand."""
    stop_worker = asyncio.Event()
    working = asyncio.create_task(app.run(stage.config, stop_worker), name="worker")
    acting = asyncio.create_task(_when_ready(act, stage, show), name="act")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({working, acting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finished = acting.done()
        if finished:
            _raise_alone(acting)
        return finished
    finally:
        stopping.cancel()
        acting.cancel()
        stop_worker.set()
        await asyncio.gather(acting, stopping, return_exceptions=True)
        await working


def _raise_alone(task: asyncio.Task[None]) -> None:
    """Raise what a task raised; of a group the first, so that who handles errors need not know of groups."""
    try:
        task.result()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def _when_ready(act: Act, stage: Stage, show: Show) -> None:
    address = f"http://{stage.config.http_host}:{stage.config.http_port}"
    async with aiohttp.ClientSession() as session:
        while not await _is_ready(session, address):  # noqa: ASYNC110 - the worker is asked as any other would
            await asyncio.sleep(_READY_POLL_S)
    show.note(f"The worker is ready. Its metrics: {address}/metrics")
    await act(stage)


async def _is_ready(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(f"{address}/readyz") as response:
            return response.ok
    except aiohttp.ClientConnectionError:
        return False
