"""The merge of requests and outcomes: what may be handled, when, and in which order."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.stream.lane import LEAST_BYTES, MAX_WAIT_S, Lane

OUTCOMES, REQUESTS = "call-outcome", "call-requested"


class Record(NamedTuple):
    topic: str
    offset: int
    timestamp: int
    partition: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def records(topic: str, *timestamps: int) -> list[Record]:
    return [Record(topic, offset, timestamp) for offset, timestamp in enumerate(timestamps)]


@pytest.fixture
def lane() -> Lane:
    return Lane((OUTCOMES, REQUESTS))


def taken(lane: Lane, now_s: float = 0.0, limit: int = 100) -> list[tuple[str, int]]:
    return [(record.topic, record.timestamp) for record in lane.take(limit, now_s)]


def test_records_of_both_topics_are_handled_by_timestamp(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 1, 4, 9), fetched_at_s=0)
    lane.add(OUTCOMES, records(OUTCOMES, 2, 5, 99), fetched_at_s=0)
    assert taken(lane) == [(REQUESTS, 1), (OUTCOMES, 2), (REQUESTS, 4), (OUTCOMES, 5), (REQUESTS, 9)]


def test_an_outcome_goes_before_a_request_of_the_same_timestamp(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=0)
    lane.add(OUTCOMES, records(OUTCOMES, 5, 6), fetched_at_s=0)
    assert taken(lane, limit=2) == [(OUTCOMES, 5), (REQUESTS, 5)]


def test_a_request_waits_until_the_outcomes_of_its_time_are_known(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=1.0)
    assert taken(lane) == []
    assert lane.unknown() == [OUTCOMES]


def test_an_outcome_waits_likewise_for_the_requests(lane: Lane) -> None:
    lane.add(OUTCOMES, records(OUTCOMES, 5), fetched_at_s=1.0)
    assert taken(lane) == []
    assert lane.unknown() == [REQUESTS]


def test_a_request_goes_once_the_other_topic_is_read_to_its_end(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=1.0)
    lane.learn_end(OUTCOMES, end=7, asked_at_s=1.0)
    lane.learn_position(OUTCOMES, 6)
    assert taken(lane) == []
    lane.learn_position(OUTCOMES, 7)
    assert taken(lane) == [(REQUESTS, 5)]


def test_an_earlier_outcome_that_was_in_the_log_goes_first(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=1.0)
    lane.learn_end(OUTCOMES, end=1, asked_at_s=1.0)
    lane.add(OUTCOMES, records(OUTCOMES, 3), fetched_at_s=1.1)
    lane.learn_position(OUTCOMES, 1)
    assert taken(lane) == [(OUTCOMES, 3), (REQUESTS, 5)]


def test_an_end_asked_before_the_fetch_says_nothing_of_it(lane: Lane) -> None:
    lane.learn_end(OUTCOMES, end=0, asked_at_s=1.0)
    lane.learn_position(OUTCOMES, 0)
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=2.0)
    assert taken(lane) == []
    assert lane.unknown() == [OUTCOMES]


def test_an_end_is_asked_for_once_until_it_is_reached(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=1.0)
    lane.learn_end(OUTCOMES, end=3, asked_at_s=1.0)
    assert lane.unknown() == []


def blocked(lane: Lane, *, at_s: float) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5, 6), fetched_at_s=at_s)
    lane.learn_end(OUTCOMES, end=3, asked_at_s=at_s)
    assert taken(lane, now_s=at_s) == []


def test_the_wait_is_bounded_and_counted(lane: Lane) -> None:
    blocked(lane, at_s=1.0)
    assert taken(lane, now_s=1.0 + MAX_WAIT_S * 0.99) == []
    assert lane.waits_exceeded == 0
    assert taken(lane, now_s=1.0 + MAX_WAIT_S) == [(REQUESTS, 5), (REQUESTS, 6)]
    assert lane.waits_exceeded == 2


def test_the_wait_begins_when_a_record_would_be_next_not_when_it_was_fetched(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 5), fetched_at_s=1.0)
    lane.learn_end(OUTCOMES, end=3, asked_at_s=1.0)
    assert taken(lane, now_s=1.0 + 10 * MAX_WAIT_S) == []
    assert lane.waits_exceeded == 0


def test_the_wait_begins_anew_while_the_other_topic_is_being_read(lane: Lane) -> None:
    blocked(lane, at_s=1.0)
    lane.learn_position(OUTCOMES, 2)
    assert taken(lane, now_s=1.0 + MAX_WAIT_S) == []
    assert taken(lane, now_s=1.0 + 2 * MAX_WAIT_S) == [(REQUESTS, 5), (REQUESTS, 6)]


def test_what_comes_while_the_other_topic_is_silent_does_not_wait_again(lane: Lane) -> None:
    blocked(lane, at_s=0.0)
    assert len(taken(lane, now_s=MAX_WAIT_S)) == 2
    lane.add(REQUESTS, records(REQUESTS, 8), fetched_at_s=2 * MAX_WAIT_S)
    assert taken(lane, now_s=2 * MAX_WAIT_S) == [(REQUESTS, 8)]
    assert lane.waits_exceeded == 3


def test_a_topic_that_was_read_to_its_end_has_its_whole_time_again(lane: Lane) -> None:
    blocked(lane, at_s=0.0)
    assert len(taken(lane, now_s=MAX_WAIT_S)) == 2
    lane.learn_end(OUTCOMES, end=0, asked_at_s=MAX_WAIT_S)
    lane.learn_position(OUTCOMES, 0)
    lane.add(REQUESTS, records(REQUESTS, 8), fetched_at_s=2 * MAX_WAIT_S)
    assert taken(lane, now_s=2 * MAX_WAIT_S) == []


def test_what_may_be_fetched_is_bounded_in_records_and_in_bytes(lane: Lane) -> None:
    large = Record(REQUESTS, 0, 1, key=b"key", value=b"v" * 9_992, headers=(("trace", b"t"),))  # 10,001 bytes
    lane.add(REQUESTS, [large, large], fetched_at_s=0)
    lane.add(REQUESTS, [large], fetched_at_s=1)
    lane.add(OUTCOMES, records(OUTCOMES, 1, 9), fetched_at_s=0)
    assert lane.backlog(REQUESTS) == 3
    assert [lane.room(REQUESTS, most, 200_000) for most in (2, 3, 4)] == [0, 0, 16]
    assert [lane.room(REQUESTS, 10, most) for most in (30_002, 30_003, 200_000)] == [0, 0, 16]
    assert lane.room(REQUESTS, 10, 30_004) == LEAST_BYTES // 10_001
    lane.take(2, now_s=0)
    assert lane.backlog(REQUESTS) == 2
    assert lane.room(REQUESTS, 10, 30_003) == 0  # one of a fetch keeps all of its bytes
    lane.take(1, now_s=0)
    assert lane.room(REQUESTS, 10, 30_003) == LEAST_BYTES // 10_001


def test_where_many_partitions_leave_each_next_to_nothing_not_a_few_records_are_read_at_once(lane: Lane) -> None:
    lane.add(REQUESTS, [Record(REQUESTS, 0, 1, key=b"key", value=b"v" * 197)], fetched_at_s=0)
    assert lane.room(REQUESTS, 2, 420) >= 300


def test_however_large_records_are_one_may_be_fetched(lane: Lane) -> None:
    lane.add(REQUESTS, [Record(REQUESTS, 0, 1, key=b"key", value=b"v" * 2 * LEAST_BYTES)], fetched_at_s=0)
    assert lane.room(REQUESTS, 10, 3 * LEAST_BYTES) == 1


def test_of_records_without_bytes_only_their_number_counts(lane: Lane) -> None:
    lane.add(REQUESTS, [Record(REQUESTS, 0, 1, key=None, value=None)], fetched_at_s=0)
    assert lane.room(REQUESTS, 10, 1) > 1_000
    assert lane.room(REQUESTS, 1, 1) == 0


def test_a_topic_that_is_heard_of_again_is_waited_for_again(lane: Lane) -> None:
    blocked(lane, at_s=0.0)
    assert len(taken(lane, now_s=MAX_WAIT_S)) == 2
    lane.add(OUTCOMES, records(OUTCOMES, 7), fetched_at_s=MAX_WAIT_S)
    lane.add(REQUESTS, records(REQUESTS, 8), fetched_at_s=MAX_WAIT_S)
    assert taken(lane, now_s=MAX_WAIT_S) == [(OUTCOMES, 7)]
    assert lane.waits_exceeded == 2


def test_no_more_is_taken_than_asked_for(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 1, 2, 3), fetched_at_s=0)
    lane.add(OUTCOMES, records(OUTCOMES, 9), fetched_at_s=0)
    assert taken(lane, limit=2) == [(REQUESTS, 1), (REQUESTS, 2)]
    assert lane.backlog(REQUESTS) == 1


def test_one_topic_of_both_types_keeps_its_own_order() -> None:
    lane = Lane(("calls",))
    lane.add("calls", records("calls", 5, 3, 4), fetched_at_s=0)
    assert taken(lane) == [("calls", 5), ("calls", 3), ("calls", 4)]


@given(
    outcomes=st.lists(st.integers(0, 20), max_size=12).map(sorted),
    requests=st.lists(st.integers(0, 20), max_size=12).map(sorted),
    data=st.data(),
)
def test_however_the_fetches_fall_the_order_is_that_of_the_timestamps(
    outcomes: list[int], requests: list[int], data: st.DataObject
) -> None:
    lane = Lane((OUTCOMES, REQUESTS))
    logs = {OUTCOMES: records(OUTCOMES, *outcomes), REQUESTS: records(REQUESTS, *requests)}
    read = dict.fromkeys(logs, 0)
    clock_s = 0.0
    handled: list[tuple[str, int]] = []
    while len(handled) < len(outcomes) + len(requests):
        clock_s += 0.001
        assert clock_s < 1.0, "the lane holds records back for ever"
        for topic, log in logs.items():
            fetched = (
                log[read[topic] : read[topic] + data.draw(st.integers(0, 3))] if clock_s < 0.03 else log[read[topic] :]
            )
            lane.add(topic, fetched, clock_s)
            read[topic] += len(fetched)
        for topic in lane.unknown():
            lane.learn_end(topic, len(logs[topic]), clock_s)
        for topic, position in read.items():
            lane.learn_position(topic, position)
        handled += taken(lane, clock_s, limit=5)
    merged = sorted(
        [(timestamp, 0, OUTCOMES) for timestamp in outcomes] + [(timestamp, 1, REQUESTS) for timestamp in requests]
    )
    assert handled == [(topic, timestamp) for timestamp, _, topic in merged]


def test_what_is_put_back_is_taken_again_in_its_order_and_at_once(lane: Lane) -> None:
    lane.add(REQUESTS, records(REQUESTS, 1, 4, 9), fetched_at_s=0)
    lane.add(OUTCOMES, records(OUTCOMES, 2, 5), fetched_at_s=0)
    batch = lane.take(3, 0.0)
    lane.put_back(batch)
    assert [(record.topic, record.timestamp) for record in lane.take(2, 0.0)] == [(REQUESTS, 1), (OUTCOMES, 2)]
    assert taken(lane) == [(REQUESTS, 4), (OUTCOMES, 5)]
    lane.put_back(batch[2:])
    assert taken(lane) == [(REQUESTS, 4)], "it may go, as it could before"
