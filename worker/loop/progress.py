"""How far the served partitions have got, as their marks say it."""

from collections.abc import Iterable, Mapping

from worker.state.marks import Mark
from worker.stream.records import SourceRecord, ends_of
from worker.stream.topics import CallTopics


class Progress:
    """The mark of each served partition index, from one batch to the next."""

    def __init__(self, topics: CallTopics, marks: Mapping[int, Mark]) -> None:
        """Begin with what was done when the partitions were taken over."""
        self._topics = topics
        self._marks = dict(marks)

    def advance(self, batch: Iterable[SourceRecord]) -> dict[int, Mark]:
        """The marks of the batch's partition indexes once it is handled."""
        ends = ends_of(batch)
        for (topic, index), end in ends.items():
            mark = self._marks[index]
            if topic == self._topics.call_requested:
                mark = mark._replace(requests=end)
            if topic == self._topics.call_outcome:
                mark = mark._replace(outcomes=end)
            self._marks[index] = mark
        return {index: self._marks[index] for _, index in ends}

    def published(self, ends: Mapping[int, int]) -> None:
        """Take in where the logs of replies end, by partition index, now that all of a batch is in them."""
        for index, end in ends.items():
            if index in self._marks:
                self._marks[index] = self._marks[index]._replace(replies=end)
