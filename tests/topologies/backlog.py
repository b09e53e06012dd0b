"""A backlog written fast, and what a worker that faces it holds in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from tests.end_to_end.centre import HELSINKI, PHONE, STOCKHOLM, TAMPERE, Centre

CONTACTS: Final = 20_000
LIMIT_KB: Final = 150_000
"""What a worker may hold in memory, whatever lies before it."""

SETTINGS: Final = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}, {{number: "{STOCKHOLM}"}}]
projects:
  - project_id: spring
    numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"]
    selection_logic: different_number
    outcomes: {{busy: "{TAMPERE}"}}
"""

_AT: Final = "2026-11-24T09:30:00+02:00"
_QUEUE_KB: Final = 131_072


def write_backlog(centre: Centre, requests: int, *, compression: str = "none") -> int:
    """Write so many requests, and an outcome to each second one, as a dialer of many contacts would; give the number.

    A compressed backlog takes less of the log, and the same of a reader that unpacks it.
    """
    producer = Producer(
        {
            "bootstrap.servers": centre.kafka_bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": "50",
            "batch.size": "900000",
            "batch.num.messages": "100000",
            "queue.buffering.max.kbytes": str(_QUEUE_KB),
            "queue.buffering.max.messages": "2000000",
            "compression.type": compression,
        }
    )
    written = 0
    for topic, key, value in _records(centre, range(requests)):
        while True:
            try:
                producer.produce(centre.topic(topic), value, key)
                written += 1
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    return written


def _records(centre: Centre, calls: Sequence[int]) -> Iterator[tuple[str, bytes, bytes]]:
    for n in calls:
        contact = f"{centre.name}:{n % CONTACTS}"
        ids = f'"call_id":"call-{n}","project_id":"spring","contact_id":"{contact}"'
        request = f'{{"type":"call-requested",{ids},"phone":"{PHONE}","agent_id":"anna","requested_at":"{_AT}"}}'
        yield "call-requested", contact.encode(), request.encode()
        if n % 2:
            outcome = f'{{"type":"call-outcome",{ids},"outcome":"busy","occurred_at":"{_AT}"}}'
            yield "call-outcome", contact.encode(), outcome.encode()


def resident_kb(pid: int) -> tuple[int, int]:
    """What a process holds in memory now, and the most that it ever held, in KiB; 0 of one that has ended."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields.get(name, "0").split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value] # two names
