"""A dialer's record is to the loop what the contract's models make of it, whatever is in it."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import DIALER_EVENT
from tests.property.test_memory import TIMES, damaged, dumped, records
from tests.property.test_selection import unhurried
from tests.unit.loop.test_reading import OUTCOME, REQUEST
from worker.loop.events import event_of


def read(value: bytes) -> tuple[dict[str, object], object] | str:
    try:
        event = event_of(value)
    except ValidationError as error:
        return str(error)
    fields = {"type": event.type, **msgspec.structs.asdict(event)}
    return fields, (event.requested_at if event.type == "call-requested" else event.occurred_at).utcoffset()


def read_by_contract(value: bytes) -> tuple[dict[str, object], object] | str:
    try:
        event = DIALER_EVENT.validate_json(value)
    except ValidationError as error:
        return str(error)
    at = event.requested_at if event.type == "call-requested" else event.occurred_at
    return event.model_dump(), at.utcoffset()


@unhurried
@given(value=records(st.sampled_from([OUTCOME, REQUEST])) | damaged(st.sampled_from([OUTCOME, REQUEST])))
@example(dumped(REQUEST, more="?").replace(b"?", b"\xff"))
@example(dumped(REQUEST, agent_id="?").replace(b'"?"', b"[" * 500 + b"]" * 500))
@example(b"")
def test_a_record_is_what_the_contract_makes_of_it(value: bytes) -> None:
    assert read(value) == read_by_contract(value)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("fields", [REQUEST | {"requested_at": "?"}, OUTCOME | {"occurred_at": "?"}])
def test_a_time_is_what_the_contract_makes_of_it(fields: dict[str, object], time: str) -> None:
    value = json.dumps(fields).replace('"?"', json.dumps(time)).encode()
    assert read(value) == read_by_contract(value)
