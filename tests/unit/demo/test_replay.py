from datetime import UTC, datetime

from schemas.events import AssignmentRejected, CallOutcome, CallRequested
from worker.demo.events_file import FileEvent
from worker.demo.replay import InOrder, portions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def request(contact_id: str, call_id: str) -> FileEvent:
    event = CallRequested(
        type="call-requested",
        call_id=call_id,
        project_id="spring",
        contact_id=contact_id,
        phone="+358401234567",
        requested_at=NOON,
    )
    return FileEvent(b"", event)


def outcome(contact_id: str, call_id: str) -> FileEvent:
    event = CallOutcome(
        type="call-outcome",
        call_id=call_id,
        project_id="spring",
        contact_id=contact_id,
        outcome="busy",
        occurred_at=NOON,
    )
    return FileEvent(b"", event)


def reply(contact_id: str, call_id: str) -> bytes:
    rejected = AssignmentRejected(
        type="assignment-rejected",
        call_id=call_id,
        project_id="spring",
        contact_id=contact_id,
        reason="unknown_project",
        detail="",
        rejected_at=NOON,
    )
    return rejected.model_dump_json().encode()


def calls(order: InOrder, contact_id: str, call_id: str, now_s: float = 0.0) -> list[tuple[str | None, str]]:
    answers = order.answer(reply(contact_id, call_id), now_s)
    return [(answer.reply.contact_id, answer.reply.call_id) for answer in answers]


def asked(*events: FileEvent) -> InOrder:
    order = InOrder(events)
    for place in range(order.requests):
        order.ask(float(place))
    return order


def test_answers_come_in_the_order_of_the_requests_however_the_replies_come() -> None:
    order = asked(request("kalle", "1"), request("liisa", "1"), outcome("kalle", "1"), request("kalle", "2"))
    assert calls(order, "kalle", "2") == []
    assert calls(order, "liisa", "1") == []
    assert order.given == 0
    assert calls(order, "kalle", "1") == [("kalle", "1"), ("liisa", "1"), ("kalle", "2")]
    assert order.given == order.requests == 3


def test_a_call_asked_twice_is_answered_twice() -> None:
    order = asked(request("kalle", "1"), request("kalle", "1"))
    assert calls(order, "kalle", "1") == [("kalle", "1")]
    assert order.given == 1
    assert calls(order, "kalle", "1") == [("kalle", "1")]
    assert order.given == 2


def test_a_reply_that_comes_once_more_is_not_an_answer() -> None:
    order = asked(request("kalle", "1"), request("kalle", "2"))
    assert calls(order, "kalle", "1") == [("kalle", "1")]
    assert calls(order, "kalle", "1") == []
    assert order.given == 1


def test_the_latency_counts_from_the_request() -> None:
    order = asked(request("kalle", "1"), request("kalle", "2"))
    (first,) = order.answer(reply("kalle", "1"), 10.0)
    (second,) = order.answer(reply("kalle", "2"), 10.0)
    assert (first.latency_s, second.latency_s) == (10.0, 9.0)


def test_portions_hold_all_events_in_order_and_no_more_than_their_size() -> None:
    events = [FileEvent(b"x" * size, request("kalle", str(size)).event) for size in (4, 4, 4, 20, 1, 9)]
    assert [[len(each.value) for each in portion] for portion in portions(events, max_bytes=10)] == [
        [4, 4],
        [4],
        [20],
        [1, 9],
    ]


def test_no_events_make_no_portion() -> None:
    assert list(portions([])) == []
