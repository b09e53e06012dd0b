"""What single records of the logs say of a contact."""

import json
from collections.abc import Iterable
from typing import Any, Final

from tests.unit.loop.test_reading import Record
from worker.loop.recalling import Memory, memories, rejected_calls, take_in
from worker.selection.history import ContactHistory
from worker.stream.recollection import Recalled, recalled

ASSIGNED: Final[dict[str, Any]] = {
    "type": "number-assigned",
    "call_id": "call-1",
    "project_id": "spring",
    "contact_id": "contact-1",
    "phone": "+358401234567",
    "agent_id": None,
    "number": "+358912345678",
    "anonymous": False,
    "attempt": 1,
    "rule": "random",
    "trail": [],
    "settings_version": 1,
    "requested_at": "2026-11-24T08:00:00Z",
    "assigned_at": "2026-11-24T08:00:00Z",
}
REJECTED: Final[dict[str, Any]] = {
    "type": "assignment-rejected",
    "call_id": "call-1",
    "project_id": "spring",
    "contact_id": "contact-1",
    "reason": "no_number_available",
    "detail": "none",
    "rejected_at": "2026-11-24T08:00:00Z",
}


def reply(fields: dict[str, Any], **changed: Any) -> Recalled:
    return recalled(Record(json.dumps({**fields, **changed}).encode(), "number-assigned"), is_reply=True)


def of_contact(log: Iterable[Recalled]) -> list[Memory]:
    return memories(log).get("contact-1", [])


def recall(*log: Recalled) -> tuple[ContactHistory, dict[str, bytes]]:
    history = ContactHistory()
    return history, take_in(of_contact(log), history, {}, replies_since_ms=0)


def test_a_reply_says_which_attempt_it_was_whatever_came_before_it() -> None:
    history, _ = recall(reply(ASSIGNED, attempt=4), reply(ASSIGNED, call_id="call-2", attempt=5))
    assert history.attempts("spring") == 5


def test_an_attempt_that_is_known_is_not_counted_again() -> None:
    second = reply(ASSIGNED, call_id="call-2", attempt=2, number="+358331234567")
    history, _ = recall(reply(ASSIGNED), second, reply(ASSIGNED), second)
    assert history.attempts("spring") == 2
    assert (history.projects["spring"].latest_call, history.last_number) == ("call-2", "+358331234567")


def test_a_call_that_is_a_new_one_after_its_decision_was_forgotten_has_its_last_reply() -> None:
    again = reply(ASSIGNED, attempt=2)
    history, replies = recall(reply(ASSIGNED), again)
    assert history.attempts("spring") == 2
    assert replies == {"call-1": again.value}


def test_of_two_rejections_of_a_call_the_first_is_kept_and_neither_if_one_is_stored() -> None:
    log = [reply(REJECTED), reply(REJECTED, detail="another")]
    assert recall(*log)[1] == {"call-1": log[0].value}
    found = of_contact(log)
    assert rejected_calls(found) == {"call-1"}
    assert take_in(found, ContactHistory(), {"call-1": b"stored"}, replies_since_ms=0) == {}


def test_a_rejection_changes_no_history() -> None:
    assert recall(reply(REJECTED))[0] == ContactHistory()


def test_what_was_made_of_a_misfit_alone_is_no_decision() -> None:
    assert memories([reply(REJECTED, reason="invalid_request"), reply(REJECTED, contact_id=None)]) == {}


def test_what_does_not_fit_is_passed_over() -> None:
    log = [recalled(Record(value, "number-assigned"), is_reply=True) for value in (None, b"", b"\xff", b"{}")]
    request = json.dumps({**ASSIGNED, "type": "call-requested"}).encode()  # where both types share a topic
    assert memories([*log, recalled(Record(request, "calls"), is_reply=False)]) == {}
