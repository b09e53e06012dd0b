"""The user's own events, sent in their order; the replies, in the order of the requests."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import RecordMetadata

from schemas.events import REPLY, CallRequested
from worker.demo.broker import MAX_HELD_BYTES
from worker.demo.events_file import FileEvent
from worker.demo.line import Line
from worker.demo.showing import Answer

_PORTION_EVENTS: Final = 2_000
_POLL_S: Final = 0.05


class InOrder:
    """Puts the answers in the order of their requests. A call asked twice has two answers, in order."""

    def __init__(self, events: Sequence[FileEvent]) -> None:
        self._places: defaultdict[tuple[str | None, str], deque[int]] = defaultdict(deque)
        requests = [each.event for each in events if isinstance(each.event, CallRequested)]
        for place, request in enumerate(requests):
            self._places[request.contact_id, request.call_id].append(place)
        self.requests = len(requests)
        self.given = 0
        self._asked_s: list[float] = []
        self._early: dict[int, Answer] = {}

    def ask(self, now_s: float) -> None:
        """Note that the next request was sent."""
        self._asked_s.append(now_s)

    def answer(self, value: bytes, now_s: float) -> Iterator[Answer]:
        """Take a reply in; give the answers whose turn it is."""
        reply = REPLY.validate_json(value)
        places = self._places.get((reply.contact_id, reply.call_id))
        if places:  # a reply may come twice, after a fault
            place = places.popleft()
            self._early[place] = Answer(value, reply, now_s - self._asked_s[place])
        while (answer := self._early.pop(self.given, None)) is not None:
            self.given += 1
            yield answer


class Replay:
    """Sends the events of a file and shows the replies, until every request is answered."""

    def __init__(  # noqa: PLR0913 - who sends, who is asked, what is sent and where, who is shown
        self,
        line: Line,
        admin: AIOKafkaAdminClient,
        events: Sequence[FileEvent],
        *,
        topic: str,
        group_id: str,
        show: Callable[[Answer], None],
    ) -> None:
        """Take the parts. Requests and outcomes share the topic: so the order of the file is that of handling."""
        self._line = line
        self._admin = admin
        self._events = events
        self._topic = topic
        self._group_id = group_id
        self._show = show
        self._order = InOrder(events)

    async def run(self) -> None:
        """Send all, and return when all is answered. Raises aiokafka's `KafkaError`, in a group."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_all(), name="events")
            tasks.create_task(self._answer_all(), name="replies")

    async def _answer_all(self) -> None:
        if not self._order.requests:
            return
        async for value in self._line.replies():
            for answer in self._order.answer(value, time.monotonic()):
                self._show(answer)
            if self._order.given == self._order.requests:
                return

    async def _send_all(self) -> None:
        # In portions: the embedded broker holds only so much that the worker has not read.
        for portion in portions(self._events):
            ends: dict[TopicPartition, int] = {}
            acknowledgements = [await self._post(each) for each in portion]
            for metadata in await asyncio.gather(*acknowledgements):
                tp = TopicPartition(metadata.topic, metadata.partition)
                ends[tp] = max(ends.get(tp, 0), metadata.offset + 1)
            await self._handled(ends)

    async def _post(self, each: FileEvent) -> Awaitable[RecordMetadata]:
        if isinstance(each.event, CallRequested):
            self._order.ask(time.monotonic())
        return await self._line.post(self._topic, each.event.contact_id, each.value)

    async def _handled(self, ends: Mapping[TopicPartition, int]) -> None:
        """Wait until the worker has committed all up to these offsets."""
        while True:
            committed = await self._admin.list_consumer_group_offsets(self._group_id, partitions=list(ends))
            if all(committed[tp].offset >= end for tp, end in ends.items()):
                return
            await asyncio.sleep(_POLL_S)


def portions(events: Sequence[FileEvent], max_bytes: int = MAX_HELD_BYTES // 2) -> Iterator[Sequence[FileEvent]]:
    """The events in order, in portions of at most so many bytes; one event alone may be larger."""
    portion: list[FileEvent] = []
    size = 0
    for each in events:
        if portion and (size + len(each.value) > max_bytes or len(portion) == _PORTION_EVENTS):
            yield portion
            portion, size = [], 0
        portion.append(each)
        size += len(each.value)
    if portion:
        yield portion
