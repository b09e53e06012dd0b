"""`explain`: what is known of a contact, and why its calls showed the numbers they did."""

from collections.abc import Iterable

import click

from schemas.events import REPLY, AssignmentRejected, NumberAssigned
from worker.app import call_topics, contact_store, kafka_connection
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.config import Config
from worker.selection.history import ContactHistory, instant
from worker.stream.replies import replies_to
from worker.words import explain_reply

Reply = NumberAssigned | AssignmentRejected


@click.command
@click.argument("contact_id")
@click.option("--from-topic", is_flag=True, help="Read older decisions from the topic of replies, too.")
@configured("kafka", "topics", "redis")
def explain(config: Config, contact_id: str, *, from_topic: bool) -> None:
    """Tell what is known of CONTACT_ID, and why each number was chosen."""
    history, values = run_to_end(_read(config, contact_id, from_topic=from_topic))
    replies = sorted(map(REPLY.validate_json, dict.fromkeys(values)), key=_when)
    for line in tell(history):
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
        snapshots = await contacts.read({contact_id: ()})
        values += (await contacts.replies_of(contact_id)).values()
    return snapshots[contact_id].history, values


def _when(reply: Reply) -> float:
    return (reply.rejected_at if isinstance(reply, AssignmentRejected) else reply.assigned_at).timestamp()


def tell(history: ContactHistory) -> Iterable[str]:
    """What is known of a contact, told in lines."""
    if not (history.projects or history.waiting):
        yield "Nothing is known of this contact."
        return
    yield f"Last number shown: {history.last_number or 'none'}"
    for project_id, calls in history.projects.items():
        yield f"Project {project_id}: {calls.attempts} attempts, latest call {calls.latest_call}"
        if calls.end is not None:
            number = f", next number {calls.end.next_number}" if calls.end.next_number else ""
            yield f"  its outcome: {calls.end.outcome}{number}"
    for number, at_us in sorted(history.used_at_us.items(), key=lambda used: used[1]):
        yield f"Number {number}: last shown {instant(at_us).isoformat()}"
    for waiting in history.waiting:
        yield f"Waiting for call {waiting.call_id} of project {waiting.project_id}: outcome {waiting.end.outcome}"
