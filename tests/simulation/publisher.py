"""A replica's publisher: what goes out, record by record, and what is known of it when an answer is lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from schemas.headers import SOURCE
from tests.simulation.kafka import DEAD_LETTERS, REPLIES, Kafka
from tests.simulation.points import OutageError, effect
from worker.stream.records import DeadLetter, Outbox, OutgoingReply
from worker.stream.replies import source_of

_PER_REQUEST: Final = 2
"""Replies in one request to a broker: so few that a batch takes several."""

EXPELLED: Final = "written by a replica that the group had expelled"
LATE: Final = "written by a request that arrived after its sender had given up"


class SimPublisher:
    """Promises what `worker.stream.publisher.Publisher` promises.

    After a failure it reads in the log what went out nevertheless, and sends the rest.
    """

    def __init__(self, name: str, kafka: Kafka) -> None:
        self._name = name
        self._kafka = kafka
        self._failed = False

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        indexes = {reply.request.partition for reply in outbox.replies}
        if self._failed:
            await effect("read which replies are in the log", lambda: self._drop_published(outbox))
            self._failed = False
        try:
            await self._publish_dead_letters(outbox)
            await self._publish_replies(outbox)
        except OutageError:
            self._failed = True
            raise
        return {index: len(self._kafka.log(REPLIES, index)) for index in indexes}

    def _drop_published(self, outbox: Outbox) -> None:
        published = {(record.partition, record.source, record.value) for record in self._kafka.all(REPLIES)}
        outbox.replies = [
            reply for reply in outbox.replies if (reply.request.partition, _source(reply), reply.value) not in published
        ]

    async def _publish_dead_letters(self, outbox: Outbox) -> None:
        if outbox.dead_letters:
            letters = list(outbox.dead_letters)
            await effect(f"send {len(letters)} dead letters", lambda: self._bury(letters))
            outbox.dead_letters = []

    async def _publish_replies(self, outbox: Outbox) -> None:
        """Each partition on its own, side by side: one that fails keeps none of the others back."""
        by_partition: defaultdict[int, list[OutgoingReply]] = defaultdict(list)
        for reply in outbox.replies:
            by_partition[reply.request.partition].append(reply)
        left: list[OutgoingReply] = []
        failure = None
        for index, replies in by_partition.items():
            try:
                await self._publish_partition(index, replies)
            except OutageError as error:
                left += replies
                failure = error
        outbox.replies = left
        if failure is not None:
            raise failure

    async def _publish_partition(self, index: int, replies: Sequence[OutgoingReply]) -> None:
        for start in range(0, len(replies), _PER_REQUEST):
            sent = replies[start : start + _PER_REQUEST]
            words = f"send to {REPLIES}/{index} the replies to {', '.join(_source(r).decode() for r in sent)}"
            await effect(words, partial(self._arrive, sent), on_its_way=partial(self._append, sent, LATE))

    def _arrive(self, replies: Sequence[OutgoingReply]) -> None:
        self._append(replies, "" if self._name in self._kafka.group else EXPELLED)

    def _append(self, replies: Sequence[OutgoingReply], stray: str) -> None:
        for reply in replies:
            headers = [(SOURCE, _source(reply))]
            request = reply.request
            self._kafka.append(
                REPLIES,
                request.partition,
                reply.key,
                reply.value,
                timestamp=request.timestamp,
                headers=headers,
                stray=stray,
            )

    def _bury(self, letters: Sequence[DeadLetter]) -> None:
        for record, *_ in letters:
            self._kafka.append(DEAD_LETTERS, record.partition, record.key, record.value, headers=record.headers)


def _source(reply: OutgoingReply) -> bytes:
    return source_of(reply.request)
