"""What Redis holds per contact and per reply, by its own account."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import mean
from typing import Final

from redis import Redis

from bench.ground import Servers
from bench.load import Load

_SAMPLE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Bytes of a key with its value, on average."""

    contact_bytes: float
    reply_bytes: float


def stored(servers: Servers, shape: Load) -> Stored:
    """Let a worker drain a backlog, then ask Redis."""
    with servers.site(shape) as site:
        site.write()
        worker = site.start_worker()
        site.wait_until_handled(shape.events, worker)
        worker.stop()
        with servers.redis.client() as client:
            return Stored(contact_bytes=_mean(client, "contact"), reply_bytes=_mean(client, "reply"))


def _mean(client: Redis, kind: str) -> float:
    keys: Iterator[str] = islice(client.scan_iter(f"outbound:{{*:{kind}:*", count=1_000), _SAMPLE)
    return mean(int(client.memory_usage(key) or 0) for key in keys)
