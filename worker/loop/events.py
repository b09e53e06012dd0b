"""The events of a dialer as the loop handles them. Pure.

The pydantic models are the contract. Most records are decoded without them, by msgspec: 1.0 µs instead of 3.2, and a
time that is in UTC for Python too is counted in half the time. It takes nothing that they refuse, nor takes it for
anything else; what it does not take they are asked about.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

import msgspec

from schemas.events import DIALER_EVENT
from schemas.fields import MAX_ID_LENGTH
from worker.selection.history import microseconds


class Requested(msgspec.Struct, frozen=True, gc=False):
    """A call is about to be made; see `schemas.events.CallRequested`."""

    type: ClassVar[Literal["call-requested"]] = "call-requested"
    call_id: str
    project_id: str
    contact_id: str
    phone: str
    agent_id: str | None
    requested_at: datetime


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A call ended; see `schemas.events.CallOutcome`."""

    type: ClassVar[Literal["call-outcome"]] = "call-outcome"
    call_id: str
    project_id: str
    contact_id: str
    outcome: str
    next_number: str | None
    occurred_at: datetime


Event: TypeAlias = Requested | Ended


def event_of(value: bytes) -> Event:
    """What a record says. Raises pydantic's `ValidationError` if it does not fit."""
    try:
        event = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _by_contract(value)
    at = instant(event.at)
    if at is None:
        return _by_contract(value)
    if type(event) is _Requested:
        return Requested(event.call_id, event.project_id, event.contact_id, event.phone, event.agent_id, at)
    return Ended(event.call_id, event.project_id, event.contact_id, event.outcome, event.next_number, at)


def _by_contract(value: bytes) -> Event:
    event = DIALER_EVENT.validate_json(value)
    if event.type == "call-requested":
        return Requested(
            event.call_id, event.project_id, event.contact_id, event.phone, event.agent_id, event.requested_at
        )
    return Ended(event.call_id, event.project_id, event.contact_id, event.outcome, event.next_number, event.occurred_at)


# By msgspec: the same fields. One that is unknown is left to the contract: msgspec skips it without looking closely.

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Number: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A\+[1-9][0-9]{1,14}\Z")]
_Phone: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Requested(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="call-requested"):
    call_id: Id
    project_id: Id
    contact_id: Id
    phone: _Phone
    at: str = msgspec.field(name="requested_at")
    agent_id: Id | None = None


class _Ended(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="call-outcome"):
    call_id: Id
    project_id: Id
    contact_id: Id
    outcome: Id
    at: str = msgspec.field(name="occurred_at")
    next_number: Number | None = None


_decode = msgspec.json.Decoder(_Requested | _Ended).decode

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""What is a time by the contract, and the same one to `fromisoformat`, if there is such a day."""

_FIRST_US: Final = microseconds(datetime.min.replace(tzinfo=UTC))
_LAST_US: Final = microseconds(datetime.max.replace(tzinfo=UTC))


def instant(text: str) -> datetime | None:
    """The time that a text says; `None` if that is not certain."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    # In UTC any that Python can hold is one by the contract.
    return at if at.tzinfo is UTC or _FIRST_US <= microseconds(at) <= _LAST_US else None
