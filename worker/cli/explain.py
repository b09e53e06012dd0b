"""`explain`: what is known of a contact, and why its calls showed the numbers they did."""

from collections.abc import Iterable

import click

from schemas.events import REPLY, AssignmentRejected, NumberAssigned
from worker.app import call_topics, contact_store, kafka_connection
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.config import Config
from worker.selection.history import ContactHistory
from worker.stream.replies import replies_to
from worker.words import explain_history, explain_reply

Reply = NumberAssigned | AssignmentRejected


@click.command
@click.argument("contact_id")
@click.option("--from-topic", is_flag=True, help="Read older decisions from the topic of replies, too.")
@configured("kafka", "topics", "redis")
def explain(config: Config, contact_id: str, *, from_topic: bool) -> None:
    """Tell what is known of CONTACT_ID, and why each number was chosen."""
    history, values = run_to_end(_read(config, contact_id, from_topic=from_topic))
    replies = sorted(map(REPLY.validate_json, dict.fromkeys(values)), key=_when)
    for line in explain_history(history):
        click.echo(line)
    click.echo(f"Decisions {'in the topic and ' if from_topic else ''}still kept: {len(replies)}")
    for reply in replies:
        for line in explain_reply(reply):
            click.echo(line)


async def _read(config: Config, contact_id: str, *, from_topic: bool) -> tuple[ContactHistory, Iterable[bytes]]:
    values: list[bytes] = []
    if from_topic:
        values += await replies_to(kafka_connection(config), call_topics(config).number_assigned, contact_id)
    async with contact_store(config) as contacts:
        snapshot = (await contacts.read({contact_id: ()}))[contact_id]
        values += (await contacts.replies_of(contact_id)).values()
    if snapshot.fault is not None:
        raise click.ClickException(
            f"the contact's state cannot be used: {snapshot.fault}. If it is damaged, build it anew from the topics: "
            "outbound-numbers rebuild --contact ID"
        )
    return snapshot.history, values


def _when(reply: Reply) -> float:
    return (reply.rejected_at if isinstance(reply, AssignmentRejected) else reply.assigned_at).timestamp()
