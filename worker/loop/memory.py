"""What one record of the logs says of a contact. Pure.

Events are decoded as the loop does it. So are replies: most of them without their pydantic models, by msgspec, in 2 µs
instead of 9; what it does not take the models are asked about.
"""

from functools import lru_cache
from typing import Annotated, Final, TypeAlias

import msgspec
from pydantic import ValidationError

from schemas.events import REPLY, AssignmentRejected, PassReason, RejectionReason, Rule
from worker.loop.events import Id, Number, event_of, instant
from worker.selection.history import CallEnd, microseconds


class Assigned(msgspec.Struct, frozen=True, gc=False):
    """A call was assigned a number, `None` if it was anonymous. `at_us` is when it was asked for."""

    contact_id: str
    project_id: str
    call_id: str
    number: str | None
    attempt: int
    at_us: int


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A call was rejected, by a decision."""

    contact_id: str
    call_id: str


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A call ended."""

    contact_id: str
    project_id: str
    call_id: str
    end: CallEnd


Event: TypeAlias = Assigned | Rejected | Ended


def of_reply(value: bytes) -> Event | None:
    """What a record of number-assigned says; nothing, if it does not fit or is no decision."""
    try:
        reply = _REPLY.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _of_reply(value)
    if isinstance(reply, _Assigned):
        at = instant(reply.requested_at)
        if at is None or not _is_instant(reply.assigned_at):
            return _of_reply(value)
        at_us = microseconds(at)
        return Assigned(reply.contact_id, reply.project_id, reply.call_id, reply.number, reply.attempt, at_us)
    if not _is_instant(reply.rejected_at):
        return _of_reply(value)
    return _rejected(reply.contact_id, reply.call_id, reply.reason)


def of_dialer_event(value: bytes) -> Event | None:
    """What a record of call-outcome says; nothing, if it does not fit or is a request in a topic that both share."""
    try:
        event = event_of(value)
    except ValidationError:
        return None
    if event.type == "call-requested":
        return None
    end = CallEnd(event.outcome, event.next_number, microseconds(event.occurred_at))
    return Ended(event.contact_id, event.project_id, event.call_id, end)


def _rejected(contact_id: str | None, call_id: str, reason: RejectionReason) -> Rejected | None:
    """A rejection that was decided. That of a record which does not fit is made from the record alone."""
    return None if contact_id is None or reason == "invalid_request" else Rejected(contact_id, call_id)


# By the contract itself


def _of_reply(value: bytes) -> Event | None:
    try:
        reply = REPLY.validate_json(value)
    except ValidationError:
        return None
    if isinstance(reply, AssignmentRejected):
        return _rejected(reply.contact_id, reply.call_id, reply.reason)
    at_us = microseconds(reply.requested_at)
    return Assigned(reply.contact_id, reply.project_id, reply.call_id, reply.number, reply.attempt, at_us)


# By msgspec: the same fields. One that is unknown is left to the contract: msgspec skips it without looking closely.


class _Passed(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    rule: Rule
    reason: PassReason


class _Assigned(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="number-assigned"):
    call_id: Id
    project_id: Id
    contact_id: Id
    phone: Number
    number: Number | None
    anonymous: bool
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    rule: Rule
    trail: list[_Passed]
    settings_version: Annotated[int, msgspec.Meta(ge=-1)]
    requested_at: str
    assigned_at: str
    agent_id: Id | None = None


class _Rejected(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="assignment-rejected"):
    call_id: Id
    project_id: Id | None
    contact_id: Id | None
    reason: RejectionReason
    detail: str
    rejected_at: str


_REPLY: Final = msgspec.json.Decoder(_Assigned | _Rejected)


@lru_cache(maxsize=1_024)
def _is_instant(text: str) -> bool:
    """Whether it is a time. The replies of a batch were all assigned at the same one."""
    return instant(text) is not None
