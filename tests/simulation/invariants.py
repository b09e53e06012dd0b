"""What must hold after a schedule, whatever happened in it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic import ValidationError

from schemas.events import DIALER_EVENT, REPLY, CallOutcome, CallRequested, NumberAssigned
from tests.model import Model
from tests.simulation.kafka import DEAD_LETTERS, INPUTS, PARTITIONS, REPLIES, REQUESTS, LogRecord
from tests.simulation.replica import Servers
from tests.simulation.story import SETTINGS
from worker.stream.replies import source_of

_CALL_ID: Final = b'"call_id"'


class Handled(NamedTuple):
    """An input record, and the event in it if it fits."""

    record: LogRecord
    event: CallRequested | CallOutcome | None

    @property
    def source(self) -> tuple[int, bytes]:
        """What a reply to it says that it answers, and on which partition index."""
        return self.record.partition, source_of(self.record)

    @property
    def is_request(self) -> bool:
        """Whether it must be answered: a request, or one that does not fit and whose call can be read."""
        if self.event is not None:
            return isinstance(self.event, CallRequested)
        return self.record.topic == REQUESTS and _CALL_ID in (self.record.value or b"")


def complaints(servers: Servers) -> list[str]:
    """What is wrong with a world in which a schedule has ended, in words; nothing when all is as promised."""
    story = _story(servers)
    replies: defaultdict[tuple[int, bytes], list[LogRecord]] = defaultdict(list)
    for reply in servers.kafka.all(REPLIES):
        replies[reply.partition, reply.source].append(reply)
    return [
        *_uncommitted(servers),
        *_unanswered_or_repeated(story, replies),
        *_out_of_order(servers),
        *_not_the_same_bytes(servers, story, replies),
        *_inadmissible(servers, story, replies),
        *_miscounted(servers, story),
        *_unburied(servers, story),
    ]


def _story(servers: Servers) -> list[Handled]:
    """All input, in the order of handling: of one contact's records that is the order of the timestamps."""
    records = [record for topic in INPUTS for record in servers.kafka.all(topic)]
    return [Handled(record, _parsed(record)) for record in sorted(records, key=lambda record: record.timestamp)]


def _parsed(record: LogRecord) -> CallRequested | CallOutcome | None:
    try:
        return DIALER_EVENT.validate_json(record.value or b"")
    except ValidationError:
        return None


Replies = defaultdict[tuple[int, bytes], list[LogRecord]]
Call = tuple[str, str]
"""A contact's id and a call's."""


def _uncommitted(servers: Servers) -> Iterator[str]:
    for topic in INPUTS:
        for index in range(PARTITIONS):
            end, committed = len(servers.kafka.log(topic, index)), servers.kafka.group.committed[topic, index]
            if committed != end:
                yield f"{topic}/{index} is committed up to {committed} of {end}"


def _unanswered_or_repeated(story: list[Handled], replies: Replies) -> Iterator[str]:
    """One reply to each request record. A second one only where an excuse is written on one of them.

    The excuses: one of them was written by a replica that the group had expelled while it slept, or by a request
    that was lost on its way and found there later; or the record does not fit, and so has no stored decision.
    """
    for handled in story:
        got = replies[handled.source]
        if not handled.is_request:
            if got:
                yield f"{handled.record} is no request and was answered"
        elif not got:
            yield f"{handled.record} was not answered"
        elif len(got) > 1 and handled.event is not None and sum(not reply.stray for reply in got) > 1:
            yield f"{handled.record} was answered {len(got)} times: {[reply.stray or 'no excuse' for reply in got]}"


def _out_of_order(servers: Servers) -> Iterator[str]:
    """Whoever takes the first reply to each request reads them in the order of the requests."""
    for index in range(PARTITIONS):
        first = list(dict.fromkeys(reply.source for reply in servers.kafka.log(REPLIES, index)))
        offsets = [int(source.split(b":")[1]) for source in first]
        if offsets != sorted(offsets):
            yield f"the requests of partition {index} were answered in the order {offsets}"


def _not_the_same_bytes(servers: Servers, story: list[Handled], replies: Replies) -> Iterator[str]:
    """All replies to a call are the same bytes."""
    for handled in story:
        got = {reply.value or b"" for reply in replies[handled.source]}
        if handled.event is None and len(got) > 1:
            yield f"{handled.record} got replies that differ: {sorted(got)}"
    for call, of_call in _by_call(story, replies).items():
        different = {reply.value or b"" for reply in of_call}
        if len(different) > 1 and not _is_excused(servers, of_call):
            yield f"call {call} got replies that differ: {sorted(different)}"


def _by_call(story: list[Handled], replies: Replies) -> dict[Call, list[LogRecord]]:
    """The replies to each call, in the order of the log."""
    calls: defaultdict[Call, list[LogRecord]] = defaultdict(list)
    for handled in story:
        if isinstance(handled.event, CallRequested):
            calls[handled.event.contact_id, handled.event.call_id] += replies[handled.source]
    return {call: sorted(of_call, key=lambda reply: reply.offset) for call, of_call in calls.items()}


def _is_excused(servers: Servers, of_call: list[LogRecord]) -> bool:
    """Whether two faults met: Redis lost a decision that nobody had seen yet, and the replica that had made it
    published it after its partition went to another one, which decided anew. Then the first in the log counts.
    """
    return servers.redis.has_lost and any(reply.stray for reply in of_call)


def _inadmissible(servers: Servers, story: list[Handled], replies: Replies) -> Iterator[str]:
    """Each decision is judged by the model, which is told every event in order, and every first reply."""
    model = Model(SETTINGS)
    by_call = _by_call(story, replies)
    for handled in story:
        event = handled.event
        if isinstance(event, CallOutcome):
            model.outcome(event)
        elif event is not None and (got := replies[handled.source]):
            of_call = by_call[event.contact_id, event.call_id]
            reply = REPLY.validate_json((of_call if _is_excused(servers, of_call) else got)[0].value or b"")
            yield from model.complaints(event, reply)
            model.observe(event, reply)


def _miscounted(servers: Servers, story: list[Handled]) -> Iterator[str]:
    """What is stored counts each assigned call once."""
    assigned: set[tuple[str, str, str]] = set()
    for reply in servers.kafka.all(REPLIES):
        event = REPLY.validate_json(reply.value or b"")
        if isinstance(event, NumberAssigned):
            assigned.add((event.contact_id, event.project_id, event.call_id))
    counts = Counter((contact_id, project_id) for contact_id, project_id, _ in assigned)
    for contact_id in dict.fromkeys(handled.event.contact_id for handled in story if handled.event is not None):
        for project_id, calls in servers.redis.history(contact_id).projects.items():
            count = counts[contact_id, project_id]
            if calls.attempts != count:
                yield f"{contact_id} has {calls.attempts} attempts in {project_id}, and was assigned {count} calls"


def _unburied(servers: Servers, story: list[Handled]) -> Iterator[str]:
    buried = {
        (letter.partition, letter.key, letter.value, letter.headers) for letter in servers.kafka.all(DEAD_LETTERS)
    }
    for handled in story:
        record = handled.record
        letter = (record.partition, record.key, record.value, record.headers)
        if (handled.event is None) != (letter in buried):
            yield f"{record} is {'no' if handled.event is None else 'a'} dead letter"
