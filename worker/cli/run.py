"""`run`: the worker."""

import click
import structlog

from worker import app, log
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.cli.stopping import stop_event
from worker.config import Config

logger = structlog.get_logger(__name__)


@click.command
@configured("kafka", "topics", "redis", "worker", "http", "log")
def run(config: Config) -> None:
    """Answer call requests until told to stop (SIGTERM or Ctrl-C).

    Every setting is an environment variable and a flag; the flag wins.
    """
    log.configure(config)
    try:
        run_to_end(_run(config))
    except click.ClickException:
        raise
    except Exception:
        # In the log and not on the terminal, where the traceback would show its words, anybody's data among them.
        logger.exception("worker_failed")
        raise SystemExit(1) from None


async def _run(config: Config) -> None:
    await app.run(config, stop_event())
