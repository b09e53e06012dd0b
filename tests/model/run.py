"""A whole run judged: all events in handling order, and every reply that was read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from schemas.events import REPLY, CallOutcome, CallRequested
from schemas.settings import SettingsRecord
from tests.model.model import Model


def complaints_of_run(
    settings_records: Sequence[SettingsRecord],
    events: Iterable[CallRequested | CallOutcome],
    replies: Mapping[tuple[str, str], Sequence[bytes]],
) -> list[str]:
    """What is wrong with a run under unchanged settings, in words; nothing when all is as the contract has it.

    `events` are in handling order: only the order within a contact matters. `replies` are the values read, by
    (contact id, call id) in the order of reading: as many as requests for the call, all of the same bytes.
    """
    model = Model(settings_records)
    asked: Counter[tuple[str, str]] = Counter()
    found: list[str] = []
    for event in events:
        if isinstance(event, CallOutcome):
            model.outcome(event)
            continue
        call = (event.contact_id, event.call_id)
        asked[call] += 1
        if asked[call] == 1 and replies.get(call):
            reply = REPLY.validate_json(replies[call][0])
            found += model.complaints(event, reply)
            model.observe(event, reply)
    for call in asked.keys() | replies.keys():
        values = replies.get(call, ())
        if len(values) != asked[call]:
            found.append(f"call {call}: {asked[call]} requests, {len(values)} replies")
        if len(set(values)) > 1:
            found.append(f"call {call}: replies that differ: {sorted(set(values))}")
    return found
