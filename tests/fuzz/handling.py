"""A batch on its way through the worker, from raw records to the records that are sent, without Kafka and Redis."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from schemas.settings import AgentSettings, OutcomeSettings, ProjectSettings
from tests.fuzz.records import REQUESTS
from worker.loop.encoding import encode
from worker.loop.reading import Reading, read
from worker.loop.settling import Settler
from worker.selection.history import ContactHistory
from worker.selection.routing import Project, Routing
from worker.state import codec
from worker.state.store import Snapshot
from worker.stream.publisher import Outgoing, fitting, reply_record
from worker.stream.records import OutgoingReply
from worker.stream.unpacking import FetchedRecord

MAX_REQUEST_BYTES: Final = 1_048_576

NUMBERS: Final = ("+358912345678", "+358331234567", "+15125550100", "+3906123456")


def _routing() -> Routing:
    inventory = dict.fromkeys(NUMBERS, True)
    projects = [
        ProjectSettings(
            project_id="spring", numbers=NUMBERS, selection_logic="different_number", keep_previous_number=True
        ),
        ProjectSettings(
            project_id="regional",
            numbers=NUMBERS,
            number_for_first_call="regionally_random",
            selection_logic="regionally_random",
        ),
        ProjectSettings(project_id="autumn", agent_numbers="use_agent_number", when_no_number="reject"),
        ProjectSettings(project_id="🦉" * 1_000, numbers=NUMBERS, outcomes={"busy": NUMBERS[0]}),
        ProjectSettings(project_id="\x01" * 1_000),
    ]
    return Routing(
        2**62,
        numbers=inventory,
        projects={each.project_id: Project(each, inventory) for each in projects},
        agents={"anna": AgentSettings(agent_id="anna", number=NUMBERS[0])},
        outcomes={"": OutcomeSettings(outcome="voicemail", next_number=NUMBERS[1])},
    )


ROUTING: Final = _routing()
SETTLER: Final = Settler(ROUTING, b"key", datetime(2026, 11, 24, tzinfo=UTC))


class Sent(NamedTuple):
    """What became of a batch. Replies and dead letters stand beside the position of their record."""

    reading: Reading
    replies: list[tuple[int, Outgoing]]
    dead_letters: list[tuple[int, Outgoing]]


def handle(batch: Sequence[FetchedRecord]) -> Sent:
    """Handle a batch as the loop does, its contacts' states going through their stored form."""
    reading = read(batch, REQUESTS)
    replies = [
        (
            position,
            OutgoingReply(
                letter.record, None if reply.contact_id is None else reply.contact_id.encode(), encode(reply)
            ),
        )
        for position, letter, reply in reading.refused
        if reply is not None
    ]
    for contact_id, incoming in reading.by_contact.items():
        settled = SETTLER.settle(contact_id, incoming, Snapshot(ContactHistory(), 0, {}))
        replies += [
            (each.incoming.position, OutgoingReply(each.incoming.record, contact_id.encode(), each.value))
            for each in settled.answers
        ]
        if settled.change is not None:
            history = settled.change.history
            assert codec.decode(codec.encode(history, 1)) == (history, 1)
    return Sent(
        reading,
        [(position, Outgoing(*reply_record(reply))) for position, reply in sorted(replies, key=lambda each: each[0])],
        [(each.position, fitting(each.letter, MAX_REQUEST_BYTES)) for each in reading.refused],
    )
