"""The plan: which fault comes when, to which replica, and for how long. All of it from a seed."""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

PLACES: Final = 3
"""Replicas that run side by side."""

SESSION_TIMEOUT_S: Final = 6.0
"""Silence after which the group takes a replica for dead. Kafka's own lower bound, so that a run has many faults."""

SHORT_S: Final = (1.0, 4.0)
LONG_S: Final = (SESSION_TIMEOUT_S + 2.0, SESSION_TIMEOUT_S + 5.0)
"""Beyond the session timeout: the group gives the replica's partitions to others meanwhile."""

ANY_S: Final = (SHORT_S[0], LONG_S[1])
BROKER_S: Final = (3.0, 6.0)

HOLDS_S: Final[dict[str, tuple[float, float]]] = {
    "replica_killed": SHORT_S,
    "replica_killed_at_work": SHORT_S,
    "replica_paused": LONG_S,
    "replicas_scaled": SHORT_S,
    "rolling_restart": SHORT_S,
    "controller_killed": BROKER_S,
    "leader_killed": BROKER_S,
    "coordinator_killed": BROKER_S,
    "redis_killed": SHORT_S,
    "kafka_cut": ANY_S,
    "kafka_silent": LONG_S,
    "kafka_deaf": LONG_S,
    "kafka_slow": SHORT_S,
    "redis_cut": ANY_S,
    "redis_silent": LONG_S,
    "redis_slow": SHORT_S,
    "redis_emptied": SHORT_S,
    "redis_lost_its_tail": SHORT_S,
}
"""How long each kind of fault lasts, at least and at most, in seconds. What happens is in `faults`."""

KINDS: Final = tuple(HOLDS_S)

MAIN: Final = (
    "replica_killed_at_work",
    "redis_killed",
    "redis_lost_its_tail",
    "redis_emptied",
    "leader_killed",
    "replica_paused",
    "redis_slow",
)
"""The kinds of the short form, once each."""

_STEP_S: Final = 11.0
"""What a fault and the recovery from it take, on average."""


class Fault(NamedTuple):
    """A fault to come. `place` is the replica that it befalls, if it befalls one."""

    kind: str
    place: int
    hold_s: float

    def __str__(self) -> str:
        return f"{self.kind} (replica {self.place}, {self.hold_s:.1f} s)"


def short_plan(seed: int) -> list[Fault]:
    """Each of the main kinds once."""
    chance = Random(seed)  # noqa: S311 - a plan, not a secret
    return [_fault(kind, chance) for kind in chance.sample(MAIN, len(MAIN))]


def full_plan(seed: int, seconds: float, kinds: tuple[str, ...] = KINDS) -> list[Fault]:
    """About so many seconds of faults: rounds of all kinds, each round in another order."""
    chance = Random(seed)  # noqa: S311 - a plan, not a secret
    rounds = max(1, round(seconds / _STEP_S / len(kinds)))
    return [_fault(kind, chance) for kind in _rounds(rounds, kinds, chance)]


def _rounds(count: int, kinds: tuple[str, ...], chance: Random) -> Iterator[str]:
    for _ in range(count):
        yield from chance.sample(kinds, len(kinds))


def _fault(kind: str, chance: Random) -> Fault:
    return Fault(kind, chance.randrange(PLACES), chance.uniform(*HOLDS_S[kind]))
