"""The simulated dialer: asks for a number, calls, rings or talks, tells the outcome, calls again later."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from schemas.events import REPLY, CallOutcome, CallRequested
from worker.demo.call_list import Call, CallList
from worker.demo.line import Line
from worker.demo.showing import Answer
from worker.stream.topics import CallTopics

_MAX_UNANSWERED: Final = 500
"""Requests that may wait for a reply; a worker that is slower than the rate slows the dialer down."""


class Dialer:
    """Makes the calls of a list at a rate, each a task of its own."""

    def __init__(
        self, line: Line, topics: CallTopics, calls: CallList, *, rate_per_s: float, show: Callable[[Answer], None]
    ) -> None:
        self._line = line
        self._topics = topics
        self._calls = calls
        self._rate_per_s = rate_per_s
        self._show = show
        self._unanswered: dict[str, asyncio.Future[bytes]] = {}
        self._may_ask = asyncio.Semaphore(_MAX_UNANSWERED)

    async def run(self) -> None:
        """Call for ever. Cancel to stop. Raises aiokafka's `KafkaError`, in a group."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="replies")
            started_s, made = time.monotonic(), 0
            while True:
                await self._may_ask.acquire()
                tasks.create_task(self._make(self._calls.next(time.monotonic())))
                made += 1
                await asyncio.sleep(started_s + made / self._rate_per_s - time.monotonic())

    async def _listen(self) -> None:
        async for value in self._line.replies():
            reply = REPLY.validate_json(value)
            waiting = self._unanswered.pop(reply.call_id, None)
            if waiting is not None:  # a reply may come twice, after a fault
                waiting.set_result(value)

    async def _make(self, call: Call) -> None:
        asked_s = time.monotonic()
        value = await self._ask(call)
        self._show(Answer(value, REPLY.validate_json(value), time.monotonic() - asked_s))
        await asyncio.sleep(call.lasts_s)
        await self._tell(call)
        self._calls.ended(call, time.monotonic())

    async def _ask(self, call: Call) -> bytes:
        request = CallRequested(
            type="call-requested",
            call_id=call.call_id,
            project_id=call.project_id,
            contact_id=call.contact.contact_id,
            phone=call.contact.phone,
            agent_id=call.agent_id,
            requested_at=datetime.now(UTC),
        )
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._unanswered[call.call_id] = waiting
        try:
            await self._send(self._topics.call_requested, request)
            return await waiting
        finally:
            self._may_ask.release()

    async def _tell(self, call: Call) -> None:
        outcome = CallOutcome(
            type="call-outcome",
            call_id=call.call_id,
            project_id=call.project_id,
            contact_id=call.contact.contact_id,
            outcome=call.outcome,
            occurred_at=datetime.now(UTC),
        )
        await self._send(self._topics.call_outcome, outcome)

    async def _send(self, topic: str, event: CallRequested | CallOutcome) -> None:
        value = event.model_dump_json(exclude_none=True).encode()
        await (await self._line.post(topic, event.contact_id, value))
