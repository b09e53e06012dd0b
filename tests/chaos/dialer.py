"""The dialer: steady traffic on every partition index, in an order that is known afterwards.

librdkafka sends, a client with nothing in common with the worker's. Each partition index has a line of its own, that
goes on when what it sent before is in the log, outcomes before requests: so the order of the timestamps is that of
the log, and the lines whose brokers are down do not hold up the others.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer

from tests.end_to_end.campaigns import AGENTS, NUMBERS, OUTCOMES, PHONES, PROJECTS, RETIRED
from worker.state.buckets import bucket_of

PARTITIONS: Final = 12

_CONTACTS: Final = 25
"""Of each line at a time; few enough that each is called again and again."""

_PORTIONS_PER_CONTACT: Final = 8
"""After so many the next contact comes and the oldest goes: the model's work grows with the events of a contact."""

_PAUSE_S: Final = 0.2
_REQUESTS: Final = 2
_OUTCOMES: Final = (0, 1, 1, 2)
_REPEATED_SHARE: Final = 0.05
_EARLY_SHARE: Final = 0.1
_RUBBISH_SHARE: Final = 0.02
_HEADERS: Final[list[tuple[str, str | bytes | None]]] = [("trace", b"\x00\xff-1")]


class Sent(NamedTuple):
    """A record to be sent. `wants_reply` says that its call can be read."""

    topic: str
    key: bytes
    value: bytes
    at_ms: int
    wants_reply: bool


class Line:
    """What the dialer does with the contacts of one partition index."""

    def __init__(self, index: int, name: str, chance: Random) -> None:
        self.index = index
        self.contacts: list[str] = []
        """All that were called so far; the last of them are the ones called now."""
        self._ids = (f"{name}:{number}" for number in count())
        self._chance = chance
        self._portions = 0
        self._at_ms = 0
        self._calls: list[dict[str, str]] = []
        self._to_come: list[dict[str, str]] = []

    def turn_over(self) -> None:
        """Begin a portion, perhaps with a contact that was not called before."""
        wanted = _CONTACTS + self._portions // _PORTIONS_PER_CONTACT
        while len(self.contacts) < wanted:
            contact = next(self._ids)
            if bucket_of(contact, PARTITIONS) == self.index:
                self.contacts.append(contact)
        self._portions += 1

    def outcomes(self) -> Iterator[Sent]:
        """Of calls made, seldom of calls to come; now and then what is no outcome."""
        for _ in range(self._chance.choice(_OUTCOMES) if self._calls else 0):
            call = self._chance.choice(self._calls[-2 * _CONTACTS :])
            if self._chance.random() < _EARLY_SHARE:
                call = self._new_call()
                self._to_come.append(call)
            said = {"type": "call-outcome", "outcome": self._chance.choice(OUTCOMES)}
            if self._chance.random() < 0.2:
                said["next_number"] = self._chance.choice((*NUMBERS, RETIRED))
            yield self._sent("call-outcome", {**call, **said}, "occurred_at")
        if self._chance.random() < _RUBBISH_SHARE:
            yield self._rubbish("call-outcome")

    def requests(self) -> Iterator[Sent]:
        """Of new calls, seldom of one that was asked for before; now and then what is no request, or a bad one."""
        for _ in range(_REQUESTS):
            if self._calls and self._chance.random() < _REPEATED_SHARE:
                call = self._chance.choice(self._calls[-_CONTACTS:])
            else:
                call = self._to_come.pop() if self._to_come else self._new_call()
                self._calls.append(call)
            asked = {"type": "call-requested", "phone": self._chance.choice(PHONES)}
            if agent := self._chance.choice(AGENTS):
                asked["agent_id"] = agent
            yield self._sent("call-requested", {**call, **asked}, "requested_at")
        if self._chance.random() < _RUBBISH_SHARE:
            yield self._rubbish("call-requested")
        if self._chance.random() < _RUBBISH_SHARE:
            yield self._sent("call-requested", {**self._new_call(), "type": "call-requested"}, "requested_at")

    def _new_call(self) -> dict[str, str]:
        return {
            "call_id": uuid4().hex,
            "project_id": self._chance.choice(PROJECTS),
            "contact_id": self._contact(),
        }

    def _contact(self) -> str:
        return self._chance.choice(self.contacts[-_CONTACTS:])

    def _sent(self, topic: str, fields: dict[str, Any], dated: str) -> Sent:
        at_ms = self._next_ms()
        fields = {**fields, dated: datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat()}
        return Sent(topic, fields["contact_id"].encode(), json.dumps(fields).encode(), at_ms, topic == "call-requested")

    def _rubbish(self, topic: str) -> Sent:
        key, value = self._contact().encode(), b"\xfe rubbish " + uuid4().bytes
        return Sent(topic, key, value, self._next_ms(), wants_reply=False)

    def _next_ms(self) -> int:
        """Now, or a moment later: no two records of a line have the same timestamp."""
        self._at_ms = max(self._at_ms + 1, int(time.time() * 1_000))
        return self._at_ms


@dataclass(frozen=True, kw_only=True)
class Calling:
    """How the lines send."""

    bootstrap: str
    topic: Callable[[str], str]
    """The name on the brokers of a topic of ours."""
    asked: Callable[[int, int], None]
    """Told the partition index and offset of each request that is in the log and wants a reply."""


class Dialer:
    """All lines, until told to stop."""

    def __init__(self, calling: Calling, name: str, seed: int) -> None:
        self._calling = calling
        self._producer = Producer(
            {
                "bootstrap.servers": calling.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": 300_000,
                "log_level": 0,
            }
        )
        self._is_stopped = False
        self._all_acknowledged = False
        chances = [Random(f"{seed}:{index}") for index in range(PARTITIONS)]  # noqa: S311 - a story, not a secret
        self._lines = [Line(index, name, chance) for index, chance in enumerate(chances)]

    @property
    def contacts(self) -> list[str]:
        """All contacts that were called so far."""
        return [contact for line in self._lines for contact in line.contacts]

    def stop(self) -> None:
        """Let each line end with the portion that it is at."""
        self._is_stopped = True

    async def dial(self) -> None:
        """Dial until told to stop; then all that was sent is in the log."""
        polling = asyncio.create_task(asyncio.to_thread(self._poll), name="acknowledgements")
        try:
            async with asyncio.TaskGroup() as lines:
                for line in self._lines:
                    lines.create_task(self._dial(line))
        finally:
            self._all_acknowledged = True
            await polling

    async def _dial(self, line: Line) -> None:
        while not self._is_stopped:
            line.turn_over()
            await self._send(line.index, line.outcomes())
            await self._send(line.index, line.requests())
            await asyncio.sleep(_PAUSE_S)

    async def _send(self, index: int, portion: Iterator[Sent]) -> None:
        for sent, acknowledged in [(sent, self._produce(index, sent)) for sent in portion]:
            offset = await acknowledged
            if sent.wants_reply:
                self._calling.asked(index, offset)

    def _produce(self, index: int, sent: Sent) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        acknowledged: asyncio.Future[int] = loop.create_future()

        def tell(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                loop.call_soon_threadsafe(acknowledged.set_exception, RuntimeError(f"the dialer cannot send: {error}"))
            else:
                loop.call_soon_threadsafe(acknowledged.set_result, message.offset() or 0)

        self._producer.produce(
            self._calling.topic(sent.topic),
            sent.value,
            sent.key,
            partition=index,
            timestamp=sent.at_ms,
            headers=_HEADERS,
            on_delivery=tell,
        )
        return acknowledged

    def _poll(self) -> None:
        while not self._all_acknowledged:
            self._producer.poll(0.05)
