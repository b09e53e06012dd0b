"""`dead-letters list`, `show` and `replay`: what did not fit, why, and how it gets another try."""

import functools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from worker.app import call_topics, kafka_connection
from worker.cli.failing import run_to_end
from worker.cli.letter import described, shown
from worker.cli.options import configured
from worker.config import Config
from worker.log import Mask
from worker.stream import dead_letters as stream
from worker.stream.dead_letters import Choice, Letter
from worker.stream.topics import partitions_of

PERSONAL = click.option(
    "--personal-data",
    is_flag=True,
    help="Show phone numbers, ids and values unmasked, as OUTBOUND_LOG_PERSONAL_DATA does.",
)


def _milliseconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """A time with an offset as milliseconds since 1970. Anything else is wrong use."""
    if value is None:
        return None
    with suppress(ValueError):
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.timestamp() * 1_000
    raise click.BadParameter(f"{value!r} is no time with an offset, such as 2026-11-24T10:00:00Z")


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose letters, and the `Choice` they make."""

    @functools.wraps(command)
    def with_choice(**arguments: Any) -> Any:  # noqa: ANN401 - as click calls commands
        chosen = {name: arguments.pop(name) for name in Choice.__dataclass_fields__}
        return command(choice=Choice(**chosen), **arguments)

    chooser: Callable[..., Any] = with_choice
    for option in (
        click.option("--limit", type=click.IntRange(1), help="At most so many, by partition and offset."),
        click.option("--partition", type=click.IntRange(0), help="Of this partition of the dead letters."),
        click.option("--contact", "contact_id", metavar="ID", help="Of this contact."),
        click.option("--until", "until_ms", metavar="TIME", callback=_milliseconds, help="Written before then."),
        click.option("--since", "since_ms", metavar="TIME", callback=_milliseconds, help="Written then or after."),
        click.option("--stage", help="Refused at this stage."),
        click.option(
            "--reason", metavar="TEXT", help="With this text in the message; upper and lower case are the same."
        ),
        click.option("--topic", help="From this topic."),
    ):
        chooser = option(chooser)
    return chooser


@click.group(name="dead-letters")
def dead_letters() -> None:
    """The records that did not fit: list them, show one, send them back."""


@dead_letters.command(name="list")
@choosing
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@PERSONAL
@configured("kafka", "topics")
def list_letters(config: Config, choice: Choice, *, as_json: bool, personal_data: bool) -> None:
    """List dead letters, by partition and offset."""
    mask = _mask(config, personal_data=personal_data)

    async def tell() -> None:
        async for letter in _read(config, choice):
            fields = described(letter, mask)
            click.echo(json.dumps(fields) if as_json else _line(fields))

    run_to_end(tell())


@dead_letters.command
@click.argument("place", metavar="PARTITION:OFFSET")
@PERSONAL
@configured("kafka", "topics")
def show(config: Config, place: str, *, personal_data: bool) -> None:
    """Show one dead letter whole."""
    partition, _, offset = place.partition(":")
    if not (partition.isdecimal() and offset.isdecimal() and place.isascii()):
        raise click.UsageError(f"{place!r} is not PARTITION:OFFSET, as `dead-letters list` shows it")
    mask = _mask(config, personal_data=personal_data)

    async def find() -> Letter | None:
        async for letter in _read(config, Choice(partition=int(partition))):
            if letter.offset == int(offset):
                return letter
        return None

    if (letter := run_to_end(find())) is None:
        raise click.ClickException(f"no dead letter at {place} in {config.topic_dead_letters}: see `dead-letters list`")
    for line in shown(letter, mask):
        click.echo(line)


@dead_letters.command
@choosing
@click.option("--again", is_flag=True, help="Also those that were sent back before.")
@click.option("--dry-run", is_flag=True, help="Only say how many.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@configured("kafka", "topics")
def replay(config: Config, choice: Choice, *, again: bool, dry_run: bool, yes: bool) -> None:
    """Send dead letters back to the partitions that they came from, as new records with the original's bytes."""
    partitions = run_to_end(_input_partitions(config))
    counts, last = run_to_end(_count(config, choice, partitions, again=again))
    left_out = {reason: counts[reason] for reason in sorted(counts) if reason}
    click.echo(f"To send back: {counts['']}")
    for reason, count in left_out.items():
        click.echo(f"Left out: {count} {reason}")
    if dry_run or not counts[""]:
        return
    if not yes:
        click.confirm("Send?", abort=True)
    sent = run_to_end(
        stream.replay(
            kafka_connection(config),
            config.topic_dead_letters,
            _to_send(config, choice, partitions, last, again=again),
            max_request_size=config.max_request_size,
        )
    )
    click.echo(f"Sent back: {sent}")


async def _input_partitions(config: Config) -> dict[str, int]:
    return {name: await partitions_of(kafka_connection(config), name) for name in call_topics(config).inputs}


async def _count(
    config: Config, choice: Choice, partitions: Mapping[str, int], *, again: bool
) -> tuple[Counter[str], dict[int, int]]:
    """Count the letters by why they are left out, "" for those to be sent; and the last one seen of each partition."""
    counts: Counter[str] = Counter()
    last: dict[int, int] = {}
    async for letter in _read(config, choice):
        counts[_left_out(letter, partitions, again=again)] += 1
        last[letter.partition] = letter.offset
    return counts, last


async def _to_send(
    config: Config, choice: Choice, partitions: Mapping[str, int], last: Mapping[int, int], *, again: bool
) -> AsyncIterator[Letter]:
    # Those that were counted: what was sent back and failed again since is behind the last of them.
    async for letter in _read(config, choice):
        if letter.offset <= last.get(letter.partition, -1) and not _left_out(letter, partitions, again=again):
            yield letter


def _left_out(letter: Letter, partitions: Mapping[str, int], *, again: bool) -> str:
    if letter.is_replayed and not again:
        return "sent back before (--again sends them once more)"
    return stream.refusal(letter, partitions) or ""


def _read(config: Config, choice: Choice) -> AsyncIterator[Letter]:
    return stream.read_letters(kafka_connection(config), config.topic_dead_letters, choice)


def _mask(config: Config, *, personal_data: bool) -> Mask | None:
    """What masks personal data, with the fingerprints of the log lines; `None` shows it."""
    if personal_data or config.log_personal_data:
        return None
    return Mask(config.selection_key.get_secret_value().encode())


def _line(fields: Mapping[str, Any]) -> str:
    source = f"{fields['topic']}-{fields['source_partition']}@{fields['source_offset']}"
    contact = f"contact {fields['contact_id']}" if fields["contact_id"] is not None else "no contact"
    replayed = "  (sent back)" if fields["replayed"] else ""
    place = f"{fields['partition']}:{fields['offset']}"
    return f"{place}  {fields['at']}  {source}  {fields['stage']}  {contact}  {fields['message']}{replayed}"
