"""The scheduler: at every step chance decides who goes on, what fails, who stops, dies or falls asleep.

It writes down what it did. The same seed gives the same schedule, which is how a failure is replayed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from tests.simulation.kafka import INPUTS, PARTITIONS, Kafka
from tests.simulation.points import OutageError
from tests.simulation.redis import NODES, Redis
from tests.simulation.replica import Build, Replica, Servers, sound
from tests.simulation.story import START, START_MS, Sent, Story

_SLOTS: Final = ("alpha", "beta")
_MAX_STEPS: Final = 160
_DRAIN_STEPS: Final = 2_000
"""Far more than the longest schedule needs without faults: after these, something hangs."""

_FAULT_RATES: Final = (0.02, 0.05, 0.15)
_DIALER_RATE: Final = 0.1
_AFTERMATH_RATE: Final = 0.08
"""How soon the group expels who is silent, a sleeper wakes, a replica is started anew, a late request arrives."""

_LATE_SHARE: Final = 0.25
_REWIND_SHARE: Final = 0.5
_TOGETHER_SHARE: Final = 0.5
_LOSING_SHARE: Final = 0.4
_SHARD_SHARE: Final = 0.4
_ALL_SHARE: Final = 0.3


class Scheduler:
    """One schedule, from its seed. `build` makes the parts of each replica."""

    def __init__(self, seed: int, build: Build = sound) -> None:
        self.seed = seed
        self.servers = Servers(Kafka(), Redis())
        self.steps: list[str] = []
        self.overstayed: list[str] = []
        """Replicas that went on with another batch than the one that was in hand, or on its way, when told to stop."""
        self._build = build
        self._chance = Random(seed)  # noqa: S311 - a schedule, not a secret
        self._fault_rate = self._chance.choice(_FAULT_RATES)
        self._loses_writes = self._chance.random() < _LOSING_SHARE
        self._to_come = list(Story(self._chance).events(self._chance.randint(4, 12)))
        self._on_their_way: list[tuple[str, Callable[[], None]]] = []
        self._replicas: dict[str, Replica] = {}
        self._started = 0

    @property
    def is_drained(self) -> bool:
        """Whether everything that the dialer sent is committed."""
        return not self._to_come and self.servers.kafka.is_all_committed()

    def run(self) -> None:
        """Run the schedule, then without faults to its end, which a fresh replica must reach alone."""
        for _ in range(self._chance.randrange(len(self._to_come))):
            self._send_next()
        for slot in _SLOTS:
            self._start(slot)
        try:
            while len(self.steps) < _MAX_STEPS and not (self.is_drained and self._chance.random() < _AFTERMATH_RATE):
                self._step()
            self._drain()
        finally:
            for replica in self._replicas.values():
                replica.kill()

    # What may happen at a step

    def _step(self) -> None:
        if self._chance.random() < self._fault_rate:
            self._chance.choice(
                (
                    self._outage,
                    self._outage,
                    self._kill,
                    self._pause,
                    self._stop,
                    self._trouble_group,
                    self._trouble_redis,
                )
            )()
        elif self._to_come and self._chance.random() < _DIALER_RATE:
            self._send_next()
        elif self._runnable and self._chance.random() > _AFTERMATH_RATE:
            self._go_on(self._chance.choice(self._runnable))
        else:
            self._aftermath()
        self._settle()

    @property
    def _runnable(self) -> list[Replica]:
        return [replica for replica in self._replicas.values() if replica.strands]

    def _go_on(self, replica: Replica) -> None:
        place = len(self.steps)
        replica.current = self._chance.choice(replica.strands)
        self._note(replica, replica.at.words)
        had = replica.intake.handed_out
        replica.go_on()
        if replica.intake.handed_out > had:
            got = replica.intake.in_hand[-1]
            self.steps[place] += f", gets {', '.join(f'{r.topic}/{r.partition}:{r.offset}' for r in got)}"
        if replica.batches_since_told_to_stop > 1:
            self.overstayed.append(replica.name)
        self._leave_if_ended(replica)

    def _send_next(self) -> None:
        sent: Sent = self._to_come.pop(0)
        self.servers.kafka.append(
            sent.topic, sent.partition, sent.key, sent.value, timestamp=START_MS + sent.at_ms, headers=[("trace", b"1")]
        )
        self._note("dialer", f"sends to {sent.topic}/{sent.partition}: {sent.value.decode()}")

    def _settle(self) -> None:
        if self.servers.kafka.group.settle():
            self._note("group", f"begins generation {self.servers.kafka.group.generation}")

    # Faults

    def _outage(self) -> None:
        if can_fail := [(r, strand) for r in self._runnable for strand in r.strands if strand.at.can_fail]:
            replica, strand = self._chance.choice(can_fail)
            replica.current = strand
            words, on_its_way = replica.at.words, replica.at.on_its_way
            is_late = on_its_way is not None and self._chance.random() < _LATE_SHARE
            self._note(replica, f"OUTAGE {words}{', the request is still on its way' if is_late else ''}")
            if on_its_way is not None and is_late:
                self._on_their_way.append((words, on_its_way))
            replica.go_on(OutageError(words))
            self._leave_if_ended(replica)

    def _kill(self) -> None:
        if self._runnable:
            self._kill_replica(self._chance.choice(self._runnable))

    def _kill_replica(self, replica: Replica) -> None:
        replica.kill()
        replica.intake.answers = False
        self._note(replica, f"KILLED {replica.at.words}")

    def _pause(self) -> None:
        if self._runnable:
            replica = self._chance.choice(self._runnable)
            replica.is_paused, replica.intake.answers = True, False
            self._note(replica, f"FALLS ASLEEP {replica.at.words}")

    def _stop(self) -> None:
        if self._runnable:
            replica = self._chance.choice(self._runnable)
            replica.stop()
            self._note(replica, f"IS TOLD TO STOP {replica.at.words}")

    def _trouble_group(self) -> None:
        """A rebalance, as when a replica is added; perhaps one after which some records are delivered again."""
        group = self.servers.kafka.group
        group.rebalance()
        self._note("group", "IS MADE TO REBALANCE")
        if self._chance.random() < _REWIND_SHARE:
            tp = self._chance.choice(INPUTS), self._chance.randrange(PARTITIONS)
            group.committed[tp] = max(0, group.committed[tp] - self._chance.randint(1, 3))
            self._note("group", f"HAS ITS OFFSET OF {tp[0]}/{tp[1]} SET BACK to {group.committed[tp]}")

    def _trouble_redis(self) -> None:
        """Redis comes back without what it wrote last, on one node or both, or without anything."""
        if not self._loses_writes:
            return
        nodes = [self._chance.randrange(NODES)] if self._chance.random() < _SHARD_SHARE else range(NODES)
        writes = None if self._chance.random() < _ALL_SHARE else self._chance.randint(1, 6)
        for node in nodes:
            lost = self.servers.redis.lose(node, writes)
            self._note("redis", f"LOSES {'all' if writes is None else 'the last'} {lost} writes of node {node}")

    # What follows from faults, sooner or later

    def _aftermath(self) -> None:
        if following := self._following():
            self._chance.choice(following)()

    def _following(self) -> list[Callable[[], None]]:
        replicas = self._replicas.items()
        return [
            *(partial(self._expel, name) for name in self.servers.kafka.group.silent),
            *(partial(self._wake, replica) for _, replica in replicas if replica.is_paused),
            *(partial(self._start, slot) for slot, replica in replicas if replica.has_ended),
            *(partial(self._arrive, *late) for late in self._on_their_way),
        ]

    def _expel(self, name: str) -> None:
        self._note("group", f"expels {name}")
        self.servers.kafka.group.leave(name)

    def _wake(self, replica: Replica) -> None:
        replica.is_paused, replica.intake.answers = False, True
        replica.intake.fetches_unaware = self._chance.randint(0, 2)
        self._note(replica, f"WAKES UP {replica.at.words}")

    def _start(self, slot: str) -> None:
        self._started += 1
        name = f"{slot}-{self._started}"
        self._replicas[slot] = Replica(name, self._build(name, self.servers, self._chance), self._now)
        self._note(self._replicas[slot], "is started")

    def _arrive(self, words: str, effect: Callable[[], None]) -> None:
        self._on_their_way.remove((words, effect))
        effect()
        self._note("network", f"delivers late what was sent {words}")

    def _leave_if_ended(self, replica: Replica) -> None:
        if replica.has_ended:
            self.servers.kafka.group.leave(replica.name)
            self._note(replica, "has stopped and leaves the group")

    # The end

    def _drain(self) -> None:
        self._note("end", "no more faults; what was set off happens")
        while self._to_come:
            self._send_next()
        while following := self._following():
            following[0]()
        self._go_on_until_drained(_DRAIN_STEPS if self._chance.random() < _TOGETHER_SHARE else 0)
        for replica in self._runnable:
            self._kill_replica(replica)
            self._expel(replica.name)
        self._replicas = {}
        self._start("last")
        self._go_on_until_drained(_DRAIN_STEPS)

    def _go_on_until_drained(self, steps: int) -> None:
        for _ in range(steps):
            self._settle()
            if not self._runnable or (self.is_drained and all(r.intake.is_served for r in self._runnable)):
                break
            self._go_on(self._chance.choice(self._runnable))

    def _now(self) -> datetime:
        return START + timedelta(milliseconds=len(self.steps))  # another at every decision, so that bytes tell

    def _note(self, who: Replica | str, words: str) -> None:
        self.steps.append(f"{who if isinstance(who, str) else who.name:8} {words}")
