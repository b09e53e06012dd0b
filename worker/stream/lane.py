"""One partition index: its requests and its outcomes merged into one story, by timestamp. Pure.

A record may be handled when no earlier one of the other topic can still come: when the other topic has a record
waiting to compare with, or was read to the end that its log had after the record was fetched. The bound on that
wait is there for a topic that cannot be read: calls go on without the outcomes rather than not at all.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.stream.records import SourceRecord

MAX_WAIT_S: Final = 5.0
"""How long a record that would be next waits for the other topic while nothing is heard of that topic, in seconds."""


class _Waiting(NamedTuple):
    record: SourceRecord
    fetched_at_s: float


class _Side:
    """What was fetched of one topic's partition and not handled yet."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self.read_to_end_at_s = float("-inf")
        """As of then every record of the log had been fetched."""
        self.end: int | None = None
        """The log's end as of `asked_at_s`, until it has been read to."""
        self.asked_at_s = float("-inf")
        self.position = -1
        self.silent_since_s: float | None = None
        """Since then it is waited for and was not heard of."""


class Lane:
    """The merge of the input topics of one partition index; a single topic is a lane of one side."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Take the topics in the order in which their records are handled on equal timestamps."""
        self._sides = {topic: _Side() for topic in topics}
        self.waits_exceeded = 0

    def add(self, topic: str, records: Sequence[SourceRecord], fetched_at_s: float) -> None:
        """Take in what was fetched of a topic, in the order of its log."""
        side = self._sides[topic]
        if records:
            side.silent_since_s = None
        side.waiting.extend(_Waiting(record, fetched_at_s) for record in records)
        side.waiting_bytes += sum(_size_bytes(record) for record in records)

    def backlog(self, topic: str) -> int:
        """Records of the topic that are fetched and not handled."""
        return len(self._sides[topic].waiting)

    def first_offset(self, topic: str) -> int | None:
        """The offset of the first record of the topic that is fetched and not handled; `None` if there is none."""
        waiting = self._sides[topic].waiting
        return waiting[0].record.offset if waiting else None

    def backlog_bytes(self, topic: str) -> int:
        """Bytes of their keys, values and headers."""
        return self._sides[topic].waiting_bytes

    def unknown(self) -> list[str]:
        """Topics whose log end decides what may be handled next, and was not asked for yet."""
        head_at_s = self._oldest_head_fetched_at_s()
        if head_at_s is None:
            return []
        return [
            topic
            for topic, side in self._sides.items()
            if not side.waiting and side.end is None and side.read_to_end_at_s < head_at_s
        ]

    def sought(self) -> list[str]:
        """Topics whose log is not yet read to the end that was learned."""
        return [topic for topic, side in self._sides.items() if side.end is not None]

    def learn_end(self, topic: str, end: int, asked_at_s: float) -> None:
        """Take in where the log of a topic ended when it was asked for."""
        side = self._sides[topic]
        side.end, side.asked_at_s = end, asked_at_s

    def learn_position(self, topic: str, position: int) -> None:
        """Take in the offset up to which everything of a topic was fetched."""
        side = self._sides[topic]
        if position != side.position:
            side.position, side.silent_since_s = position, None
        if side.end is not None and position >= side.end:
            side.end, side.read_to_end_at_s, side.silent_since_s = None, side.asked_at_s, None

    def take(self, limit: int, now_s: float) -> list[SourceRecord]:
        """Remove and give the next records that may be handled, in order, at most `limit`."""
        taken: list[SourceRecord] = []
        while len(taken) < limit:
            heads = [(side.waiting[0].record.timestamp, side) for side in self._sides.values() if side.waiting]
            if not heads:
                break
            side = min(heads, key=lambda head: head[0])[1]  # the first of equals: outcomes before requests
            if not self._may_go(side.waiting[0], now_s):
                break
            record = side.waiting.popleft().record
            side.waiting_bytes -= _size_bytes(record)
            taken.append(record)
        return taken

    def put_back(self, records: Sequence[SourceRecord]) -> None:
        """Take back what was taken last, all of it or its end, in the order in which it was taken."""
        for record in reversed(records):
            # It may go at once when it is taken again, as it could before.
            side = self._sides[record.topic]
            side.waiting.appendleft(_Waiting(record, float("-inf")))
            side.waiting_bytes += _size_bytes(record)

    def _may_go(self, head: _Waiting, now_s: float) -> bool:
        waited_for = [
            side for side in self._sides.values() if not side.waiting and side.read_to_end_at_s < head.fetched_at_s
        ]
        for side in waited_for:
            if side.silent_since_s is None:
                side.silent_since_s = now_s
            if now_s - side.silent_since_s < MAX_WAIT_S:
                return False
        self.waits_exceeded += bool(waited_for)  # those that come later go at once, until the topic is heard of again
        return True

    def _oldest_head_fetched_at_s(self) -> float | None:
        return min((side.waiting[0].fetched_at_s for side in self._sides.values() if side.waiting), default=None)


def _size_bytes(record: SourceRecord) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
