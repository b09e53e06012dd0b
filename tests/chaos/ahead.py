"""Requests that ran ahead of an outcome, which the worker lets them only while brokers are in trouble.

A request waits for the outcomes that were in the log before it, but not for ever: if nothing is heard of their topic
for some seconds, calls go on without (`worker.stream.lane.MAX_WAIT_S`). The worker counts how many records did.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from schemas.events import REPLY, CallOutcome, CallRequested
from schemas.settings import SettingsRecord
from tests.model import Model

Event = CallRequested | CallOutcome

_NEAR: Final = 6
"""How many of the contact's events before a request are looked at for the outcome that it may have run ahead of."""


def moves_to_admissible(
    settings: Sequence[SettingsRecord],
    events: Sequence[Event],
    replies: Mapping[str, bytes],
    may_run_ahead: Callable[[CallRequested], bool],
    limit: int,
) -> int | None:
    """How many outcomes must be moved behind a request for the model to admit all of one contact's replies.

    `events` are the contact's in the order of their timestamps, `replies` its first replies by call id. `None` if
    not even `limit` moves, each behind a request that may have run ahead, make the replies admissible.
    """
    wrong = _first_inadmissible(settings, events, replies)
    if wrong is None:
        return 0
    request = events[wrong]
    if limit == 0 or not (isinstance(request, CallRequested) and may_run_ahead(request)):
        return None
    for place in range(wrong - 1, max(-1, wrong - 1 - _NEAR), -1):
        if isinstance(events[place], CallOutcome):
            moved = [*events[:place], *events[place + 1 : wrong + 1], events[place], *events[wrong + 1 :]]
            more = moves_to_admissible(settings, moved, replies, may_run_ahead, limit - 1)
            if more is not None:
                return more + 1
    return None


def _first_inadmissible(
    settings: Sequence[SettingsRecord], events: Sequence[Event], replies: Mapping[str, bytes]
) -> int | None:
    model = Model(settings)
    for place, event in enumerate(events):
        if isinstance(event, CallOutcome):
            model.outcome(event)
        elif event.call_id in replies:
            reply = REPLY.validate_json(replies[event.call_id])
            if model.complaints(event, reply):
                return place
            model.observe(event, reply)
    return None
