"""Contacts as they were stored in format 1: MessagePack without a checksum, with the uses of numbers as a mapping.

What the fields can hold is told to msgspec, which checks it: that is how a stored contact that was damaged is known
there. A bound that is lowered one day must not be lowered here.
"""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import msgspec

from schemas.fields import MAX_ID_LENGTH
from worker.selection import uses
from worker.selection.history import (
    MAX_NUMBERS,
    MAX_PROJECTS,
    MAX_WAITING,
    CallEnd,
    ContactHistory,
    ProjectCalls,
    WaitingOutcome,
    microseconds,
)

_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_Number: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A\+[1-9][0-9]{1,14}\Z")]
_Attempts: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]  # what a reply can say in JSON, exactly
_TimeUs: TypeAlias = Annotated[
    int,
    msgspec.Meta(ge=microseconds(datetime.min.replace(tzinfo=UTC)), le=microseconds(datetime.max.replace(tzinfo=UTC))),
]


class _End(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    outcome: _Id
    next_number: _Number | None
    occurred_at_us: _TimeUs


class _Waiting(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    project_id: _Id
    call_id: _Id
    end: _End


class _Calls(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    attempts: _Attempts
    latest_call: _Id
    end: _End | None = None


class _Contact(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    last_number: _Number | None = None
    projects: Annotated[dict[_Id, _Calls], msgspec.Meta(max_length=MAX_PROJECTS)] = msgspec.field(default_factory=dict)
    used_at_us: Annotated[dict[_Number, _TimeUs], msgspec.Meta(max_length=MAX_NUMBERS)] = msgspec.field(
        default_factory=dict
    )
    waiting: Annotated[list[_Waiting], msgspec.Meta(max_length=MAX_WAITING)] = msgspec.field(default_factory=list)


_decode = msgspec.msgpack.Decoder(_Contact).decode


def decode(payload: bytes | memoryview) -> ContactHistory:
    """The history that was stored. Raises msgspec's errors, `UnicodeDecodeError` and `RecursionError` on damage."""
    stored = _decode(payload)
    return ContactHistory(
        stored.last_number,
        {project_id: ProjectCalls(c.attempts, c.latest_call, _end(c.end)) for project_id, c in stored.projects.items()},
        uses.pack(stored.used_at_us),
        [WaitingOutcome(w.project_id, w.call_id, CallEnd(*msgspec.structs.astuple(w.end))) for w in stored.waiting],
    )


def _end(end: _End | None) -> CallEnd | None:
    return CallEnd(*msgspec.structs.astuple(end)) if end is not None else None
