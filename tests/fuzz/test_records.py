"""Any record of the input topics: never an exception, an answer to each request that can be read, nothing lost."""

import json
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import headers
from schemas.events import REPLY, AssignmentRejected
from tests.fuzz import EXAMPLES
from tests.fuzz.handling import handle
from tests.fuzz.records import PERSONAL, RAW_VALUES, REQUESTS, members, records, written
from tests.unit.schemas.test_examples import json_schema
from worker.stream.unpacking import FetchedRecord

MAX_REPLY_BYTES: Final = 32_768
"""Ids of 1,000 characters that JSON writes as six, a project that is quoted, a trail: no reply is larger."""

SCHEMAS: Final = {kind: json_schema(kind) for kind in ("number-assigned", "assignment-rejected")}


@settings(max_examples=EXAMPLES)
@given(st.lists(records, min_size=1, max_size=6))
def test_a_batch_of_any_records_is_answered_or_kept_as_it_came(batch: list[FetchedRecord]) -> None:
    sent = handle(batch)
    refused = {each.position: each for each in sent.reading.refused}
    assert [position for position, _ in sent.dead_letters] == sorted(refused)
    answered = [position for position, _ in sent.replies]
    assert len(answered) == len(set(answered))
    for position, record in enumerate(batch):
        if position not in refused:
            assert (position in answered) == (event_type(record) == REQUESTS)
        elif (call_id := strictly_readable_call_id(record)) is not None:
            assert position in answered, call_id
    for position, reply in sent.replies:
        assert_fits_the_contract(reply.value)
        contact_id = REPLY.validate_json(reply.value or b"").contact_id
        assert reply.key == (None if contact_id is None else contact_id.encode())
        if position in refused:
            assert isinstance(REPLY.validate_json(reply.value or b""), AssignmentRejected)
    for position, letter in sent.dead_letters:
        assert (letter.key, letter.value) == (batch[position].key, batch[position].value)
        assert tuple(letter.headers[: len(batch[position].headers)]) == batch[position].headers
        assert PERSONAL not in dict(letter.headers)[headers.ERROR_MESSAGE].decode()
        assert len(dict(letter.headers)[headers.ERROR_MESSAGE]) <= 4_000


@settings(max_examples=EXAMPLES)
@given(members(), st.sampled_from(RAW_VALUES), st.data())
def test_a_request_is_answered_if_its_call_id_can_be_read(
    pairs: list[tuple[str, str]], odd: str, data: st.DataObject
) -> None:
    others = [pair for pair in pairs if pair[0] not in ('"call_id"', '"type"')]
    readable = {"type": REQUESTS, "call_id": "🦉 {1}\n"}
    head = [(json.dumps(name), json.dumps(value)) for name, value in readable.items()]
    space = data.draw(st.sampled_from(["", " ", "\r\n\t"]))
    known = len(written(head, space)) - 1
    value = written([*head, *others, ('"phone"', odd)], space)
    cut = value[: data.draw(st.integers(known, len(value)) | st.just(len(value)))]
    sent = handle([FetchedRecord(REQUESTS, 0, 0, 0, None, cut, ())])
    ((_, reply),) = sent.replies
    assert_fits_the_contract(reply.value)
    assert REPLY.validate_json(reply.value or b"").call_id == readable["call_id"]


def assert_fits_the_contract(value: bytes | None) -> None:
    assert value is not None
    assert len(value) <= MAX_REPLY_BYTES
    reply = REPLY.validate_json(value)
    assert list(SCHEMAS[reply.type].iter_errors(json.loads(value))) == []
    assert reply.model_dump_json().encode() == value


def event_type(record: FetchedRecord) -> Any:
    return strictly(record)["type"]


def strictly_readable_call_id(record: FetchedRecord) -> str | None:
    """The call_id of a request, as Python's own parser reads it; what only a more lenient one could read is none."""
    fields = strictly(record)
    kind, call_id = fields.get("type"), fields.get("call_id")
    if kind is None and record.topic == REQUESTS:
        kind = REQUESTS
    if kind != REQUESTS or not isinstance(call_id, str) or not 1 <= len(call_id) <= 1_000:
        return None
    try:
        call_id.encode()
    except UnicodeEncodeError:
        return None
    return call_id


def strictly(record: FetchedRecord) -> dict[str, Any]:
    try:
        fields = json.loads((record.value or b"").decode(), parse_int=float)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
