"""What the logs say of one contact, against what is known of it: replies and outcomes taken in once more. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from worker.loop.memory import Assigned, Ended, Event, Rejected, of_dialer_event, of_reply
from worker.selection.history import ContactHistory
from worker.stream.recollection import Recalled


class Memory(msgspec.Struct, frozen=True, gc=False):
    """An event of the past that says something of a contact."""

    event: Event
    recalled: Recalled


def memories(chunk: Iterable[Recalled]) -> dict[str, list[Memory]]:
    """What can be remembered of a chunk, by contact, in order: not requests, and nothing that does not fit."""
    found: dict[str, list[Memory]] = {}
    for recalled in chunk:
        event = of_reply(recalled.value) if recalled.is_reply else of_dialer_event(recalled.value)
        if event is not None:
            of_contact = found.get(event.contact_id)
            if of_contact is None:
                found[event.contact_id] = [Memory(event, recalled)]
            else:
                of_contact.append(Memory(event, recalled))
    return found


def rejected_calls(of_contact: Iterable[Memory]) -> set[str]:
    """The calls that were rejected: what is stored of them decides whether their rejection is news."""
    return {memory.event.call_id for memory in of_contact if isinstance(memory.event, Rejected)}


def take_in(
    of_contact: Sequence[Memory], history: ContactHistory, stored: Mapping[str, bytes], *, replies_since_ms: int
) -> dict[str, bytes]:
    """Bring a contact's history up to date with its memories, in order; give the replies that are to be kept.

    Those are the first of each call, if published at `replies_since_ms` (since 1970) or later and not `stored`.
    To take in twice what is in the history already does no harm: an assigned call says which attempt it was, and
    each is counted once.
    """
    kept: dict[str, bytes] = {}
    for memory in of_contact:
        event, recalled = memory.event, memory.recalled
        if isinstance(event, Ended):
            history.record_outcome(event.project_id, event.call_id, event.end)
            continue
        if isinstance(event, Assigned):
            if event.attempt <= history.attempts(event.project_id):
                continue
            history.record_call(event.project_id, event.call_id, event.number, event.at_us)
            # More than one up if the logs no longer hold the calls between.
            history.projects[event.project_id].attempts = event.attempt
        elif event.call_id in kept or event.call_id in stored:
            continue
        if recalled.timestamp >= replies_since_ms:
            kept[event.call_id] = recalled.value
    return kept
