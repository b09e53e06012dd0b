"""Logs merged into one order: what comes is what a look at all of them at once would give, however it is read."""

from collections.abc import Sequence

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.loop.test_reading import Record
from worker.stream.recollection import Merged, Recalled

TIMES = st.lists(st.integers(-1, 9), max_size=12)
"""Of the records of a log, in milliseconds; they need not ascend."""


def opened(logs: Sequence[Sequence[int]]) -> Merged:
    merged = Merged(len(logs))
    for index, times in enumerate(logs):
        merged.log(TopicPartition("calls", index), 0, len(times), is_replies=False)
    return merged


def read_on(merged: Merged, place: int, times: Sequence[int], count: int) -> None:
    log = merged.logs[place]
    begin = log.position
    records = enumerate(times[begin : begin + count], begin)
    log.take([Record(b"", "calls", place, offset, time) for offset, time in records])
    log.position = min(len(times), begin + count)


def places(records: Sequence[Recalled]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for record in records]


def in_order(logs: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The first of the logs' next records, by time and then by the log's place, again and again."""
    next_of, order = [0] * len(logs), []
    while open_still := [place for place, times in enumerate(logs) if next_of[place] < len(times)]:
        place = min(open_still, key=lambda p: (logs[p][next_of[p]], p))
        order.append((place, next_of[place]))
        next_of[place] += 1
    return order


@given(logs=st.lists(TIMES, min_size=1, max_size=4), data=st.data())
def test_logs_come_in_one_order_however_they_are_read(logs: list[list[int]], data: st.DataObject) -> None:
    merged, given_ = opened(logs), []
    while not all(log.is_read for log in merged.logs):
        behind = [place for place, log in enumerate(merged.logs) if not log.is_read]
        place = data.draw(st.sampled_from(behind))
        read_on(merged, place, logs[place], data.draw(st.integers(1, 5)))
        merged.ready()
        given_ += merged.give(data.draw(st.integers(0, 5)))
        assert places(given_) == in_order(logs)[: len(given_)]
    assert merged.ready() == sum(map(len, logs)) - len(given_)
    assert places(given_ + merged.give(1_000)) == in_order(logs)


@given(logs=st.lists(TIMES, min_size=1, max_size=4), data=st.data())
def test_what_was_read_and_not_given_is_read_again_after_an_error(logs: list[list[int]], data: st.DataObject) -> None:
    merged = opened(logs)
    for place, times in enumerate(logs):
        read_on(merged, place, times, data.draw(st.integers(0, 12)))
    merged.ready()
    given_ = merged.give(data.draw(st.integers(0, 20)))
    merged.forget()
    for place, times in enumerate(logs):
        assert merged.logs[place].position == sum(record.partition == place for record in given_)
        read_on(merged, place, times, 12)
    assert merged.ready() == sum(map(len, logs)) - len(given_)
    assert places(given_ + merged.give(1_000)) == in_order(logs)
