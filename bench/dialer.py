"""`python -m bench.dialer OPTIONS`: calls on a fixed schedule, and how long each waits for its number.

A process of its own, on librdkafka, so that what it does takes no time of the worker's. A call's wait begins when it
is due, not when it was sent: who is late with a call because the one before took long would else not count it.
Runs until SIGTERM; then waits for the replies that are still out, and prints JSON: pairs of when a call was due,
since 1970, and its wait, both in seconds.
"""

import json
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.load import CALLS_PER_OUTCOME, Events, Load

_CLIENT: Final = {"socket.nagle.disable": True, "log_level": 0}
_ANSWER_S: Final = 10.0
_LAST_REPLIES_S: Final = 10.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What it is told, as JSON on its command line."""

    bootstrap: str
    call_requested: str
    call_outcome: str
    number_assigned: str
    calls_per_s: float
    contacts: int
    partitions: int
    index: int | None = None
    """The partition whose contacts are called; `None`: all."""

    def to_json(self) -> str:
        """What `from_json` reads."""
        return json.dumps(asdict(self))


class Dialer:
    """Calls, and takes the replies in a thread of its own."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._topics = {"call-requested": options.call_requested, "call-outcome": options.call_outcome}
        self._due_s: dict[str, float] = {}
        self._waits: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._done = threading.Event()
        self._producer = Producer(
            {**_CLIENT, "bootstrap.servers": options.bootstrap, "partitioner": "murmur2_random", "linger.ms": 0}
        )
        self._consumer = Consumer(
            {**_CLIENT, "bootstrap.servers": options.bootstrap, "group.id": "dialer", "enable.auto.commit": False}
        )

    def run(self) -> dict[str, Any]:
        """Call until stopped."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
        self._consumer.assign([self._end(index) for index in range(self._options.partitions)])
        receiving = threading.Thread(target=self._receive, name="replies")
        receiving.start()
        calls = self._call()
        self._producer.flush(_ANSWER_S)
        deadline_s = time.monotonic() + _LAST_REPLIES_S
        while len(self._waits) < calls and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        self._done.set()
        receiving.join()
        self._consumer.close()
        return {"waits": sorted(self._waits), "unanswered": calls - len(self._waits)}

    def _call(self) -> int:
        """Send each call when it is due; give how many."""
        options = self._options
        indexes = None if options.index is None else frozenset({options.index})
        events = Events(
            Load(contacts=options.contacts, partitions=options.partitions, indexes=indexes, seed=1), prefix="paced-"
        )
        begin_s = time.time() + 0.1
        calls = 0
        while True:
            due_s = begin_s + calls / options.calls_per_s
            if self._stop.wait(max(0.0, due_s - time.time())):
                return calls
            record = events.request(int(due_s * 1_000))
            self._due_s[_call_id(record.value)] = due_s
            self._producer.produce(self._topics[record.topic], record.value, record.key)
            if calls % CALLS_PER_OUTCOME == CALLS_PER_OUTCOME - 1:
                outcome = events.outcome(int(due_s * 1_000))
                self._producer.produce(self._topics[outcome.topic], outcome.value, outcome.key)
            self._producer.poll(0)
            calls += 1

    def _receive(self) -> None:
        while not self._done.is_set():
            message = self._consumer.poll(_POLL_S)
            if message is None or message.error():
                continue
            now_s = time.time()
            due_s = self._due_s.pop(_call_id(message.value() or b""), None)
            if due_s is not None:
                self._waits.append((due_s, now_s - due_s))

    def _end(self, index: int) -> TopicPartition:
        tp = TopicPartition(self._options.number_assigned, index)
        _, tp.offset = self._consumer.get_watermark_offsets(tp, _ANSWER_S)
        return tp


def _call_id(value: bytes) -> str:
    return str(json.loads(value)["call_id"])


if __name__ == "__main__":
    print(json.dumps(Dialer(Options(**json.loads(sys.argv[1]))).run()))  # noqa: T201 - what it was asked for
