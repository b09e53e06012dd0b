"""What the logs say of one contact, against what is known of it: replies and outcomes taken in once more. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from schemas.events import DIALER_EVENT, REPLY, AssignmentRejected, CallOutcome, CallRequested, NumberAssigned
from worker.selection.history import CallEnd, ContactHistory, microseconds
from worker.stream.call_logs import Recalled


class Memory(NamedTuple):
    """An event of the past that says something of a contact."""

    event: NumberAssigned | AssignmentRejected | CallOutcome
    recalled: Recalled

    @property
    def contact_id(self) -> str:
        """Whose it is."""
        assert self.event.contact_id is not None  # noqa: S101 - for the type checker: memories() sees to it
        return self.event.contact_id


def memories(chunk: Iterable[Recalled]) -> list[Memory]:
    """What can be remembered of a chunk, in order: not requests, and nothing that does not fit."""
    found = []
    for recalled in chunk:
        value = recalled.record.value or b""
        try:
            event = (REPLY if recalled.is_reply else DIALER_EVENT).validate_json(value)
        except ValidationError:
            continue
        if isinstance(event, CallRequested) or (isinstance(event, AssignmentRejected) and not _is_decision(event)):
            continue
        found.append(Memory(event, recalled))
    return found


def _is_decision(rejected: AssignmentRejected) -> bool:
    """Whether it was decided. A rejection of a record that does not fit is made from that record alone."""
    return rejected.reason != "invalid_request" and rejected.contact_id is not None


def rejected_calls(of_contact: Iterable[Memory]) -> set[str]:
    """The calls that were rejected: what is stored of them decides whether their rejection is news."""
    return {event.call_id for event, _ in of_contact if isinstance(event, AssignmentRejected)}


def take_in(
    of_contact: Sequence[Memory], history: ContactHistory, stored: Mapping[str, bytes], *, replies_since_ms: int
) -> dict[str, bytes]:
    """Bring a contact's history up to date with its memories, in order; give the replies that are to be kept.

    Those are the first of each call, if published at `replies_since_ms` (since 1970) or later and not `stored`.
    To take in twice what is in the history already does no harm: an assigned call says which attempt it was, and
    each is counted once.
    """
    kept: dict[str, bytes] = {}
    for event, recalled in of_contact:
        if isinstance(event, CallOutcome):
            end = CallEnd(event.outcome, event.next_number, microseconds(event.occurred_at))
            history.record_outcome(event.project_id, event.call_id, end)
            continue
        if isinstance(event, NumberAssigned):
            if event.attempt <= history.attempts(event.project_id):
                continue
            history.record_call(event.project_id, event.call_id, event.number, microseconds(event.requested_at))
            # More than one up if the logs no longer hold the calls between.
            history.projects[event.project_id].attempts = event.attempt
        elif event.call_id in kept or event.call_id in stored:
            continue
        if recalled.record.timestamp >= replies_since_ms:
            kept[event.call_id] = recalled.record.value or b""
    return kept
