"""What the worker is given: settings and events, the same ones for the same seed, written before it starts.

Ids, phones and choices come from the seed; times count from one hour ago, since Kafka deletes records by their age.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final, NamedTuple

import yaml
from confluent_kafka import Producer

from worker.state.buckets import home_of

SEED: Final = 20_261_124

PROJECTS: Final = ("spring", "summer", "autumn", "winter")
"""All choose a different number per attempt, but the last, which is regionally random throughout."""

OUTCOMES: Final = ("no-deal", "busy", "voicemail", "callback")
"""`busy` chooses the next number by the project's settings, `voicemail` by the account's."""

CALLS_PER_OUTCOME: Final = 4
"""Each fourth call has an outcome, so that a fifth of the events are outcomes."""

_OUTCOME_AFTER_CALLS: Final = 400
"""How many other calls are asked for between a call and its outcome."""

_REGIONS: Final = (
    # Share of the numbers and of the contacts in percent, begin of the number, digits that follow.
    (20, "+1212{0}", 7),
    (10, "+1305{0}", 7),
    (10, "+1617{0}", 7),
    (10, "+3589{0}", 7),
    (10, "+3583{0}", 7),
    (10, "+468{0}", 7),
    (15, "+4930{0}", 8),
    (15, "+4420{0}", 8),
)
_MOBILES: Final = (("+35840{0}", 7), ("+4670{0}", 7), ("+491511{0}", 7), ("+447400{0}", 6))
_MOBILE_PERCENT: Final = 40

_BATCH_BYTES: Final = 16_384
"""Of a batch in the log at most: Kafka's default for a producer. A dialer's calls come one by one, in smaller ones."""

_QUEUE_KB: Final = 131_072
_FLUSH_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, and of what shape."""

    events: int = 200_000
    contacts: int = 20_000
    numbers: int = 100
    partitions: int = 12
    padding: int = 0
    """Bytes of a field that the worker does not know, in each event."""
    indexes: frozenset[int] | None = None
    """The partitions whose contacts have events; `None`: all."""
    seed: int = SEED

    @property
    def requests(self) -> int:
        """How many of the events are requests."""
        return self.events * CALLS_PER_OUTCOME // (CALLS_PER_OUTCOME + 1)


class Record(NamedTuple):
    """An event as it is written. `topic` is the kind of event that it is."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int


def number(index: int) -> str:
    """An outbound number of the centre: another for each index."""
    bounds = list(accumulate(percent for percent, _, _ in _REGIONS))
    region = next(n for n, bound in enumerate(bounds) if index % 100 < bound)
    _, form, digits = _REGIONS[region]
    return form.format(str(2 * 10 ** (digits - 1) + index))


def settings(load: Load) -> str:
    """The settings file: four projects that share all numbers."""
    numbers = [number(index) for index in range(load.numbers)]
    first = {"spring": "random", "summer": "regionally_random", "autumn": numbers[0], "winter": "regionally_random"}
    projects = [
        {
            "project_id": project,
            "numbers": numbers,
            "number_for_first_call": first[project],
            "keep_previous_number": project == "summer",
            "selection_logic": "regionally_random" if project == PROJECTS[-1] else "different_number",
            "outcomes": {"busy": numbers[7]},
        }
        for project in PROJECTS
    ]
    return yaml.safe_dump(
        {
            "numbers": [{"number": each} for each in numbers],
            "projects": projects,
            "outcomes": [{"outcome": "voicemail", "next_number": numbers[42]}],
        }
    )


def contact_id(index: int) -> str:
    """The id of a contact."""
    return f"contact-{index:07d}"


def phone(index: int, seed: int) -> str:
    """The phone of a contact: most are landlines, 40 % are mobiles."""
    rng = random.Random(seed * 1_000_003 + index)
    if rng.randrange(100) < _MOBILE_PERCENT:
        form, digits = rng.choice(_MOBILES)
    else:
        _, form, digits = rng.choices(_REGIONS, [percent for percent, _, _ in _REGIONS])[0]
    return form.format(str(rng.randrange(2 * 10 ** (digits - 1), 10**digits)))


def contacts_of(load: Load) -> Sequence[int]:
    """The contacts that have events."""
    every = range(load.contacts)
    if load.indexes is None:
        return every
    return [n for n in every if home_of(contact_id(n), load.partitions, load.partitions) in load.indexes]


class Events:
    """Events one after the other, without an end."""

    def __init__(self, load: Load, *, prefix: str = "") -> None:
        """`prefix` begins every call id: another one makes other calls."""
        self._rng = random.Random(load.seed)
        self._contacts = contacts_of(load)
        self._phones = [phone(index, load.seed) for index in range(load.contacts)]
        self._padding = f',"note":"{"x" * load.padding}"' if load.padding else ""
        self._prefix = prefix
        self._calls = 0
        self._ended: list[str] = []

    def request(self, at_ms: int) -> Record:
        """The next call."""
        rng = self._rng
        contact = self._contacts[int(rng.random() * len(self._contacts))]
        key = contact_id(contact)
        call = f"{self._prefix}{self._calls:06d}-{rng.getrandbits(48):012x}"
        ids = f'"call_id":"{call}","project_id":"{PROJECTS[rng.getrandbits(2)]}","contact_id":"{key}"'
        if self._calls % CALLS_PER_OUTCOME == 0:
            self._ended.append(ids)
        self._calls += 1
        value = (
            f'{{"type":"call-requested",{ids},"phone":"{self._phones[contact]}","agent_id":"agent-{contact % 200}",'
            f'"requested_at":"{_instant(at_ms)}"{self._padding}}}'
        )
        return Record("call-requested", key.encode(), value.encode(), at_ms)

    def outcome(self, at_ms: int) -> Record:
        """The next outcome, of a call some time ago; the first ones are all of the first call."""
        index = self._calls - _OUTCOME_AFTER_CALLS if self._calls > _OUTCOME_AFTER_CALLS else 0
        ids = self._ended[index // CALLS_PER_OUTCOME]
        key = ids.rpartition(":")[2].strip('"')
        outcome = OUTCOMES[self._rng.getrandbits(2)]
        value = (
            f'{{"type":"call-outcome",{ids},"outcome":"{outcome}","occurred_at":"{_instant(at_ms)}"{self._padding}}}'
        )
        return Record("call-outcome", key.encode(), value.encode(), at_ms)


def records(load: Load, *, begin_ms: int, prefix: str = "") -> Iterator[Record]:
    """So many events, a millisecond between two, an outcome after each fourth request."""
    events = Events(load, prefix=prefix)
    for n in range(load.events):
        at_ms = begin_ms + n
        is_outcome = n % (CALLS_PER_OUTCOME + 1) == CALLS_PER_OUTCOME
        yield events.outcome(at_ms) if is_outcome else events.request(at_ms)


def an_hour_ago_ms() -> int:
    """Where the times of a backlog begin."""
    return int((time.time() - 3_600) * 1_000)


def write(bootstrap: str, topic_of: dict[str, str], load: Load, *, prefix: str = "") -> None:
    """Write a backlog, as fast as it goes. `topic_of` has the name of the topic by kind of event."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "batch.size": _BATCH_BYTES,
            "batch.num.messages": 100_000,
            "queue.buffering.max.kbytes": _QUEUE_KB,
            "queue.buffering.max.messages": 2_000_000,
            "log_level": 0,
        }
    )
    for record in records(load, begin_ms=an_hour_ago_ms(), prefix=prefix):
        while True:
            try:
                producer.produce(topic_of[record.topic], record.value, record.key, timestamp=record.timestamp_ms)
                break
            except BufferError:
                producer.poll(0.1)
    if left := producer.flush(_FLUSH_S):
        raise RuntimeError(f"Kafka took all but {left} records of the load within {_FLUSH_S:.0f} s")


def _instant(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1_000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


_seconds: dict[int, str] = {}


def _second(seconds: int) -> str:
    if seconds not in _seconds:
        _seconds[seconds] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return _seconds[seconds]
