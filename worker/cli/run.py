"""`run`: the worker, or several of them under a supervisor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import click
import structlog

from worker import app, log
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.cli.stopping import stop_event
from worker.config import Config
from worker.health import Place, PortInUseError
from worker.processes.running import Stopping, supervise
from worker.processes.supervisor import End

_MARGIN_S: Final = 0.5
"""For the brokers to notice, after the session timeout, that a process was killed."""

logger = structlog.get_logger(__name__)


@click.command
@configured("kafka", "topics", "redis", "worker", "processes", "http", "log")
def run(config: Config) -> None:
    """Answer call requests until told to stop (SIGTERM or Ctrl-C).

    Every setting is an environment variable and a flag; the flag wins.
    """
    log.configure(config)
    end = _work(config, _signals()) if config.processes == 1 else _supervise(config)
    if end.reasons:
        click.ClickException("\n".join(dict.fromkeys(end.reasons))).show()
    if end.code:
        raise SystemExit(end.code)


def _supervise(config: Config) -> End:
    try:
        return supervise(
            config.processes,
            config.http_host,
            config.http_port,
            partial(_work, config),
            absence_s=config.session_timeout_ms / 1_000 + _MARGIN_S,
        )
    except PortInUseError as error:
        raise click.ClickException(str(error)) from error


def _work(config: Config, stopping: Stopping, place: Place | None = None) -> End:
    """The life of a worker, here or in a process of its own."""
    try:
        run_to_end(_run(config, stopping, place))
    except click.ClickException as failure:
        return End(failure.exit_code, (failure.message,))
    except Exception:
        # In the log and not on the terminal, where the traceback would show its words, anybody's data among them.
        logger.exception("worker_failed")
        return End(1)
    return End(0)


async def _run(config: Config, stopping: Stopping, place: Place | None) -> None:
    async with stopping as stop:
        await app.run(config, stop, place)


@asynccontextmanager
async def _signals() -> AsyncIterator[asyncio.Event]:
    yield stop_event()
