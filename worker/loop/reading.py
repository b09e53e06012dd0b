"""Records in, events out: what can be handled, by contact, and what cannot, with the reply it still gets. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.events import AssignmentRejected
from schemas.fields import MAX_ID_LENGTH
from worker.loop.events import Event, event_of
from worker.loop.lenient import readable_fields
from worker.state.store import NewerFormatError
from worker.stream.records import DeadLetter, SourceRecord

_STAGE: Final = "VALUE_CONVERTER"
"""Kafka Connect's name of the stage that turns bytes into a record."""

_MAX_DETAIL: Final = 1_000
_LATEST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that RFC 3339 can write


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """An event and the record that brought it; `position` is its place in the batch."""

    position: int
    record: SourceRecord
    event: Event


class Refused(NamedTuple):
    """A record that does not fit. `reply` is the rejection, if it is a request and its `call_id` can be read."""

    position: int
    letter: DeadLetter
    reply: AssignmentRejected | None


class Reading(NamedTuple):
    """A batch, read."""

    by_contact: dict[str, list[Incoming]]
    refused: list[Refused]
    requests: int
    outcomes: int


def read(batch: Sequence[SourceRecord], call_requested: str) -> Reading:
    """Read the records of a batch. `call_requested` is the topic whose records are requests if they do not say."""
    by_contact: dict[str, list[Incoming]] = {}
    refused = []
    outcomes = 0
    for position, record in enumerate(batch):
        try:
            event = event_of(record.value or b"")
        except ValidationError as error:
            refused.append(_refuse(position, record, error, call_requested))
        else:
            outcomes += event.type == "call-outcome"
            by_contact.setdefault(event.contact_id, []).append(Incoming(position, record, event))
    return Reading(by_contact, refused, len(batch) - len(refused) - outcomes, outcomes)


def _refuse(position: int, record: SourceRecord, error: ValidationError, call_requested: str) -> Refused:
    detail = describe(error)
    letter = DeadLetter(record, _STAGE, f"{type(error).__module__}.{type(error).__qualname__}", detail)
    fields = readable_fields(record.value or b"")
    kind = fields.get("type")
    if kind is None and record.topic == call_requested:
        kind = "call-requested"
    call_id = _id(fields.get("call_id"))
    if kind != "call-requested" or call_id is None:
        return Refused(position, letter, None)
    reply = AssignmentRejected(
        type="assignment-rejected",
        call_id=call_id,
        project_id=_id(fields.get("project_id")),
        contact_id=_id(fields.get("contact_id")),
        reason="invalid_request",
        detail=detail,
        rejected_at=_instant(record.timestamp),
    )
    return Refused(position, letter, reply)


def refuse_newer(events: Sequence[Incoming], reason: str) -> list[Refused]:
    """Refuse the events of a contact whose state only a newer version of the worker can read.

    The rejection is made from the record alone, so that it is the same if the record comes again.
    """
    return [_refuse_newer(incoming, reason) for incoming in events]


def _refuse_newer(incoming: Incoming, reason: str) -> Refused:
    position, record, event = incoming.position, incoming.record, incoming.event
    error = f"{NewerFormatError.__module__}.{NewerFormatError.__qualname__}"
    letter = DeadLetter(record, "STATE", error, f"the contact's state cannot be read: {reason}")
    if event.type == "call-outcome":
        return Refused(position, letter, None)
    reply = AssignmentRejected(
        type="assignment-rejected",
        call_id=event.call_id,
        project_id=event.project_id,
        contact_id=event.contact_id,
        reason="no_number_available",
        detail=letter.message,
        rejected_at=_instant(record.timestamp),
    )
    return Refused(position, letter, reply)


def describe(error: ValidationError) -> str:
    """What does not fit, by field. Without the values: they may be personal data, or long."""
    words = (
        f"{'.'.join(map(str, each['loc'])) or 'record'}: {_words(each)}"
        for each in error.errors(include_url=False, include_input=False)
    )
    return "; ".join(words)[:_MAX_DETAIL]


def _words(error: ErrorDetails) -> str:
    if error["type"] == "union_tag_invalid":  # pydantic's own words quote the value
        return f"type must be one of {error['ctx']['expected_tags']}"
    return error["msg"]


def _id(value: str | None) -> str | None:
    if value is None or not 1 <= len(value) <= MAX_ID_LENGTH or not _is_unicode(value):
        return None
    return value


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _instant(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), _LATEST_MS) / 1_000, UTC)
