"""`rebuild`: state in Redis, built anew from number-assigned and call-outcome."""

import time
from collections.abc import Collection
from typing import Final

import click

from worker import log
from worker.app import rebuilding
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.config import Config
from worker.loop.rebuild import Rebuilt, RebuiltContact
from worker.words import explain_history

_SHOWN_EVERY_S: Final = 1.0


class Progress:
    """A line on standard error, once in a while: records read, rate, remaining."""

    def __init__(self) -> None:
        self._begun_at_s = self._shown_at_s = time.monotonic()
        self._records = 0

    def __call__(self, records: int, remaining: int) -> None:
        """Take in how many records were read more, and how many remain."""
        self._records += records
        now_s = time.monotonic()
        if now_s - self._shown_at_s >= _SHOWN_EVERY_S:
            self._shown_at_s = now_s
            rate = self._records / (now_s - self._begun_at_s)
            click.echo(f"{self._records:,} records read, {rate:,.0f}/s, {remaining:,} remaining", err=True)


@click.command
@click.option("--contact", "contact_id", metavar="ID", help="One contact. The workers may run.")
@click.option("--partition", "partitions", type=int, multiple=True, help="A partition index; may be given again.")
@click.option("--all", "everything", is_flag=True, help="All partitions.")
@click.option("--dry-run", is_flag=True, help="Read the topics, say what would be done, write nothing.")
@configured("kafka", "topics", "redis", "worker", "log")
def rebuild(
    config: Config, contact_id: str | None, partitions: tuple[int, ...], *, everything: bool, dry_run: bool
) -> None:
    """Build state anew from the topics of replies and outcomes.

    What Redis lost the workers notice and rebuild by themselves. This command is for state that is there and wrong.
    """
    if (contact_id is not None) + bool(partitions) + everything != 1:
        raise click.UsageError("say what to rebuild: --contact ID, --partition N, or --all")
    log.configure(config)
    if contact_id is not None:
        _tell_contact(run_to_end(_rebuild_contact(config, contact_id, dry_run=dry_run)), dry_run=dry_run)
    else:
        _tell(run_to_end(_rebuild_partitions(config, partitions, dry_run=dry_run)), dry_run=dry_run)


async def _rebuild_partitions(config: Config, wanted: Collection[int], *, dry_run: bool) -> Rebuilt:
    async with rebuilding(config, Progress()) as (rebuild_, partitions):
        if unknown := sorted(index for index in wanted if not 0 <= index < partitions):
            raise click.UsageError(f"--partition {unknown[0]}: the topics have partitions 0 to {partitions - 1}")
        return await rebuild_.partitions(wanted or range(partitions), dry_run=dry_run)


async def _rebuild_contact(config: Config, contact_id: str, *, dry_run: bool) -> RebuiltContact:
    async with rebuilding(config, Progress()) as (rebuild_, _):
        return await rebuild_.contact(contact_id, dry_run=dry_run)


def _tell(rebuilt: Rebuilt, *, dry_run: bool) -> None:
    done = "read, nothing written" if dry_run else "read, state rebuilt"
    click.echo(f"{rebuilt.records:,} records of replies and outcomes {done}.")
    _tell_missing(rebuilt.missing)


def _tell_contact(contact: RebuiltContact, *, dry_run: bool) -> None:
    stored = contact.stored
    click.echo("As it is stored:" if dry_run else "As it was stored:")
    lines = [f"it cannot be used: {stored.fault}"] if stored.fault else explain_history(stored.history)
    for line in lines:
        click.echo(f"  {line}")
    click.echo(f"From the topics ({contact.events} replies and outcomes):")
    for line in explain_history(contact.history):
        click.echo(f"  {line}")
    if stored.fault is None and contact.history == stored.history:
        click.echo("They are the same.")
    elif dry_run:
        click.echo("They differ. Nothing was written.")
    else:
        click.echo("They differed. The state is now as the topics say.")
    _tell_missing(contact.missing)


def _tell_missing(missing: int) -> None:
    if missing:
        click.echo(
            f"The topics no longer hold {missing:,} older records: what only they said is not in the state.", err=True
        )
