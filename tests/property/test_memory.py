"""What a record of the logs says is what the contract's models make of it, whatever is in it."""

import json
from typing import Any, Final, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import DIALER_EVENT, REPLY, AssignmentRejected, CallOutcome, CallRequested
from schemas.settings import SettingsRecord
from tests.model.engine import Engine
from tests.property.test_selection import Step, scripts, settings_records, unhurried
from tests.unit.loop.test_reading import OUTCOME, REQUEST
from tests.unit.loop.test_recalling import ASSIGNED, REJECTED
from worker.loop import events, memory
from worker.loop.encoding import encode
from worker.loop.memory import Assigned, Ended, Event, Rejected, of_dialer_event, of_reply
from worker.selection.history import CallEnd, microseconds

TIMES: Final = [
    "2026-11-24T08:00:00Z",
    "2026-11-24T08:00:00.5+02:00",
    "2026-11-24T08:00:00.123456-05:30",
    "2026-11-24T08:00:00.1234567Z",
    "2026-11-24T08:00:00.1234565+02:00",
    "2026-11-24T08:00:00.Z",
    "2026-11-24t08:00:00z",
    "2026-11-24 08:00:00Z",
    "2026-11-24T08:00:00",
    "2026-11-24T08:00Z",
    "2026-11-24T08:00:00+0200",
    "2026-11-24T08:00:00+02:60",
    "2026-11-24T08:00:00+23:59",
    "2026-11-24T08:00:00+24:00",
    "2026-11-24T24:00:00Z",
    "2026-11-24T08:00:60Z",
    "2026-02-29T08:00:00Z",
    "2026-W01-1T08:00:00Z",
    "20261124T080000Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999-00:01",
    "2026-11-24T08:00:00Z\n",
    "٢٠٢٦-11-24T08:00:00Z",
]
ODDITIES: Final = [
    *(None, True, False, 0, 1, -1, -2, 1.0, 1.5, 2**53, 2**64, 2**70, "", "1", "x" * 1_000, "x" * 1_001, "😀" * 1_000),
    *(
        'ö\n\\"\x00',
        "\ud800",
        "+358401234567",
        "+358401234567\n",
        "+0401234567",
        "+3",
        "+1234567890123456",
        "358",
        "+3٣",
    ),
    *("random", "unknown_project", "invalid_request", "number-assigned", "call-outcome", "call-requested", [], {}),
    [{"rule": "random", "reason": "no_number_available"}],
    [{"rule": "random", "reason": "no_number_available", "more": [1]}],
    [{"rule": "random", "reason": "no_reason"}],
    [{"rule": "random"}],
    {"rule": "random"},
]


KINDS: Final = st.sampled_from([ASSIGNED, REJECTED, OUTCOME, REQUEST])


@st.composite
def records(draw: st.DrawFn, kinds: st.SearchStrategy[dict[str, Any]] = KINDS) -> bytes:
    """A record of the logs, some of its fields changed, left out, added or said twice, in some spelling of JSON."""
    fields = draw(kinds)
    pairs = list(fields.items())
    values = st.sampled_from(TIMES) | st.sampled_from(ODDITIES) | st.text(max_size=5)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(pairs) - 1))
        match draw(st.sampled_from(["change", "change", "leave out", "add", "twice"])):
            case "change":
                pairs[at] = (pairs[at][0], draw(values))
            case "leave out" if len(pairs) > 1:
                del pairs[at]
            case "add":
                pairs.insert(at, (draw(st.sampled_from(["more", "agent_id", "next_number"])), draw(values)))
            case _:
                pairs.append((pairs[at][0], draw(values)))
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))
    ascii_only = draw(st.booleans())
    parts = (f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=ascii_only)}" for k, v in pairs)
    text = "{" + draw(st.sampled_from([",", ", ", ",\n"])).join(parts) + "}"
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, kinds: st.SearchStrategy[dict[str, Any]] = KINDS) -> bytes:
    """One of which a few bytes are others."""
    value = bytearray(draw(records(kinds)))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(value) - 1))
        value[at : at + draw(st.integers(0, 1))] = draw(
            st.sampled_from([b"", b'"', b"\\", b"0", b"\xff", b"\x00", b"\n"])
        )
    return bytes(value)


def by_contract(value: bytes, *, is_reply: bool) -> Event | None:
    try:
        event = (REPLY if is_reply else DIALER_EVENT).validate_json(value)
    except ValidationError:
        return None
    if isinstance(event, CallRequested):
        return None
    if isinstance(event, CallOutcome):
        end = CallEnd(event.outcome, event.next_number, microseconds(event.occurred_at))
        return Ended(event.contact_id, event.project_id, event.call_id, end)
    if isinstance(event, AssignmentRejected):
        is_decision = event.contact_id is not None and event.reason != "invalid_request"
        return Rejected(event.contact_id or "", event.call_id) if is_decision else None
    at_us = microseconds(event.requested_at)
    return Assigned(event.contact_id, event.project_id, event.call_id, event.number, event.attempt, at_us)


def assert_read_as_by_contract(value: bytes) -> None:
    assert of_reply(value) == by_contract(value, is_reply=True)
    assert of_dialer_event(value) == by_contract(value, is_reply=False)


def dumped(fields: dict[str, Any], **changed: Any) -> bytes:
    return json.dumps({**fields, **changed}).encode()


@unhurried
@given(value=records() | damaged())
@example(dumped(ASSIGNED, more="?").replace(b"?", b"\xff"))
@example(dumped(ASSIGNED, detail="?").replace(b'"?"', b"[" * 500 + b"]" * 500))
def test_a_record_says_what_the_contract_says_it_does(value: bytes) -> None:
    assert_read_as_by_contract(value)


@pytest.mark.parametrize("fields", [ASSIGNED, REJECTED, OUTCOME, REQUEST], ids=lambda fields: fields["type"])
def test_a_field_with_an_odd_value_is_what_the_contract_makes_of_it(fields: dict[str, Any]) -> None:
    for name in [*fields, "agent_id", "next_number", "more"]:
        for value in [*TIMES, *ODDITIES]:
            assert_read_as_by_contract(dumped(fields, **{name: value}))


@unhurried
@given(records=settings_records(), script=scripts())
def test_what_is_written_as_usual_does_not_need_the_models(
    records: tuple[SettingsRecord, ...], script: list[Step]
) -> None:
    engine = Engine(records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "REPLY", _Unwanted())
        patch.setattr(events, "DIALER_EVENT", _Unwanted())
        for step in script:
            if isinstance(step, CallRequested):
                assert of_reply(encode(engine.request(step))) is not None
                assert of_dialer_event(step.model_dump_json().encode()) is None
            elif isinstance(step, CallOutcome):
                assert of_dialer_event(step.model_dump_json().encode()) is not None
            else:
                engine.change_settings(step)


class _Unwanted:
    def validate_json(self, value: bytes) -> NoReturn:
        raise AssertionError(f"not decoded: {value!r}")
