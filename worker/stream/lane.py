"""One partition index: its requests and its outcomes merged into one story, by timestamp. Pure.

A record may be handled when no earlier one of the other topic can still come: when the other topic has a record
waiting to compare with, or was read to the end that its log had after the record was fetched. The bound on that
wait is there for a topic that cannot be read: calls go on without the outcomes rather than not at all.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from worker.stream.records import SourceRecord

MAX_WAIT_S: Final = 5.0
"""How long a record that would be next waits for the other topic while nothing is heard of that topic, in seconds."""

LEAST_BYTES: Final = 64 * 1024
"""What may be fetched at once where anything may."""

_NEVER: Final = float("inf")


class _Fetched:
    """How many of the records that wait came with one fetch, when, and how many bytes all of them had."""

    __slots__ = ("at_s", "count", "size_bytes")

    def __init__(self, at_s: float, records: Sequence[SourceRecord]) -> None:
        self.at_s = at_s
        self.count = len(records)
        self.size_bytes = sum(map(_size_bytes, records))


class _Side:
    """What was fetched of one topic's partition and not handled yet."""

    def __init__(self) -> None:
        self.waiting: deque[SourceRecord] = deque()
        self.fetches: deque[_Fetched] = deque()
        """Of the records that wait, in their order; none of them empty."""
        self.waiting_bytes = 0
        """Of the fetches."""
        self.record_bytes = 0
        """Of one record of those that came last, on average."""
        self.read_to_end_at_s = float("-inf")
        """As of then every record of the log had been fetched."""
        self.end: int | None = None
        """The log's end as of `asked_at_s`, until it has been read to."""
        self.asked_at_s = float("-inf")
        self.position = -1
        self.silent_since_s: float | None = None
        """Since then it is waited for and was not heard of."""

    def is_given_up(self, now_s: float) -> bool:
        """Whether it was waited for long enough; the wait begins when that is first asked."""
        if self.silent_since_s is None:
            self.silent_since_s = now_s
        return now_s - self.silent_since_s >= MAX_WAIT_S

    def run(self, limit: int, before: float, *, ties: bool) -> list[SourceRecord]:
        """Remove and give the next records: of one fetch, at most `limit`, older than `before` or, at `ties`, as old.

        The first one is taken whatever its timestamp.
        """
        waiting, fetch = self.waiting, self.fetches[0]
        count = min(limit, fetch.count)
        if before == _NEVER:
            run = [waiting.popleft() for _ in range(count)]
        else:
            run = [waiting.popleft()]
            while len(run) < count and ((at := waiting[0].timestamp) < before or (ties and at == before)):
                run.append(waiting.popleft())
        fetch.count -= len(run)
        if not fetch.count:
            self.fetches.popleft()
            self.waiting_bytes -= fetch.size_bytes
        return run


class Lane:
    """The merge of the two input topics of one partition index; a single topic is a lane of one side."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Take the topics in the order in which their records are handled on equal timestamps."""
        self._sides = {topic: _Side() for topic in topics}
        self.waiting = 0
        """Records, of all topics, that are fetched and not handled."""
        self.waits_exceeded = 0

    def add(self, topic: str, records: Sequence[SourceRecord], fetched_at_s: float) -> None:
        """Take in what was fetched of a topic, in the order of its log."""
        if not records:
            return
        side = self._sides[topic]
        side.silent_since_s = None
        side.waiting.extend(records)
        fetch = _Fetched(fetched_at_s, records)
        side.fetches.append(fetch)
        side.waiting_bytes += fetch.size_bytes
        side.record_bytes = fetch.size_bytes // len(records)
        self.waiting += len(records)

    def backlog(self, topic: str) -> int:
        """Records of the topic that are fetched and not handled."""
        return len(self._sides[topic].waiting)

    def first_offset(self, topic: str) -> int | None:
        """The offset of the first record of the topic that is fetched and not handled; `None` if there is none."""
        waiting = self._sides[topic].waiting
        return waiting[0].offset if waiting else None

    def room(self, topic: str, records: int, size_bytes: int) -> int:
        """How many more of the topic may be fetched at once: none if so many wait, or so many bytes.

        Else as many as the bytes that are left may hold, or `LEAST_BYTES` where many partitions leave each next to
        none. Their bytes are those of keys, values and headers; those that are handled already count until all are
        that came with them. How large the next ones are is taken from those that came last.
        """
        side = self._sides[topic]
        if len(side.waiting) >= records or side.waiting_bytes >= size_bytes:
            return 0
        left_bytes = max(size_bytes - side.waiting_bytes, LEAST_BYTES)
        return max(1, left_bytes // (side.record_bytes or 1))

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
            waiting = [side for side in self._sides.values() if side.waiting]
            if not waiting:
                break
            if len(waiting) > 1:
                first, second = waiting  # in the order of handling on equal timestamps
                first_at, second_at = first.waiting[0].timestamp, second.waiting[0].timestamp
                if first_at <= second_at:
                    taken += first.run(limit - len(taken), second_at, ties=True)
                else:
                    taken += second.run(limit - len(taken), first_at, ties=False)
                continue
            side = waiting[0]
            waited_for = self._waited_for(side.fetches[0].at_s)
            if waited_for and not all(each.is_given_up(now_s) for each in waited_for):
                break
            run = side.run(limit - len(taken), _NEVER, ties=False)
            if waited_for:  # those that come later go at once, until the topic is heard of again
                self.waits_exceeded += len(run)
            taken += run
        self.waiting -= len(taken)
        return taken

    def put_back(self, records: Sequence[SourceRecord]) -> None:
        """Take back what was taken last, all of it or its end, in the order in which it was taken."""
        for record in reversed(records):
            # It may go at once when it is taken again, as it could before.
            side = self._sides[record.topic]
            side.waiting.appendleft(record)
            fetch = _Fetched(float("-inf"), [record])
            side.fetches.appendleft(fetch)
            side.waiting_bytes += fetch.size_bytes
        self.waiting += len(records)

    def _waited_for(self, fetched_at_s: float) -> list[_Side]:
        """The topics of which an earlier record may still come than one that was fetched then."""
        return [side for side in self._sides.values() if not side.waiting and side.read_to_end_at_s < fetched_at_s]

    def _oldest_head_fetched_at_s(self) -> float | None:
        return min((side.fetches[0].at_s for side in self._sides.values() if side.waiting), default=None)


def _size_bytes(record: SourceRecord) -> int:
    size = len(record.key or b"") + len(record.value or b"")
    if record.headers:
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size
