"""`topics create`."""

import click

from worker.app import call_topics, kafka_connection
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.config import Config
from worker.stream.topics import CALL_RETENTION_DAYS, create_topics, wanted_topics


@click.group
def topics() -> None:
    """The topics of Kafka."""


@topics.command
@click.option("--partitions", type=click.IntRange(1), default=12, show_default=True, help="Of each call topic.")
@click.option("--replication-factor", type=click.IntRange(1), default=3, show_default=True, help="Of each topic.")
@click.option(
    "--retention-days",
    type=click.IntRange(1),
    default=CALL_RETENTION_DAYS,
    show_default=True,
    help="Of each call topic: how far back the state can be rebuilt.",
)
@configured("kafka", "topics")
def create(config: Config, partitions: int, replication_factor: int, retention_days: int) -> None:
    """Create the topics that are missing; refuse if one that exists is different."""
    wanted = wanted_topics(call_topics(config), partitions=partitions, retention_days=retention_days)
    created = run_to_end(create_topics(kafka_connection(config), wanted, replication_factor=replication_factor))
    for name in wanted:
        click.echo(f"{name}: {'created' if name in created else 'is there'}")
