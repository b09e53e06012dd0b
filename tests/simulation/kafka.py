"""Kafka in memory: logs, the committed offsets, and a consumer group that hands partitions over."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from schemas.headers import SOURCE

REQUESTS: Final = "call-requested"
OUTCOMES: Final = "call-outcome"
REPLIES: Final = "number-assigned"
DEAD_LETTERS: Final = "dead-letters"
INPUTS: Final = (OUTCOMES, REQUESTS)  # in the order in which they are handled on equal timestamps

PARTITIONS: Final = 2


class LogRecord(NamedTuple):
    """A record in a log. `timestamp` is in milliseconds; `stray` says why a reply may be a repeat, or nothing."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    stray: str = ""

    def __str__(self) -> str:
        value = "nothing" if self.value is None else self.value.decode("utf-8", "replace")
        return f"{self.topic}/{self.partition}:{self.offset} {value}"

    @property
    def source(self) -> bytes:
        """Of a reply: the request that it answers, as `<topic>:<offset>`."""
        return dict(self.headers)[SOURCE]


class Member(Protocol):
    """What the group needs of a replica."""

    name: str
    answers: bool

    @property
    def holds_up(self) -> bool:
        """Whether a rebalance must wait: for a batch in hand, or for one who does not answer."""

    def revoked(self) -> None:
        """Give up what it was assigned, having committed what is done."""

    def assigned(self, generation: int, indexes: Sequence[int]) -> None:
        """Take note of a new assignment."""


class Kafka:
    """The logs. A log is what a reader sees: nothing in it changes or goes away."""

    def __init__(self) -> None:
        self.group = Group()
        self._logs: defaultdict[tuple[str, int], list[LogRecord]] = defaultdict(list)

    def log(self, topic: str, partition: int) -> list[LogRecord]:
        """The records of a partition; the offset of each is its place."""
        return self._logs[topic, partition]

    def all(self, topic: str) -> list[LogRecord]:
        """The records of a topic, each partition's in order."""
        return [record for index in range(PARTITIONS) for record in self.log(topic, index)]

    def append(  # noqa: PLR0913 - the parts of a record
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        *,
        timestamp: int = 0,
        headers: Iterable[tuple[str, bytes]] = (),
        stray: str = "",
    ) -> None:
        """Write a record at the end of a log."""
        log = self.log(topic, partition)
        log.append(LogRecord(topic, partition, len(log), timestamp, key, value, tuple(headers), stray))

    def is_all_committed(self) -> bool:
        """Whether the group has nothing left to handle."""
        committed = self.group.committed
        return all(committed[t, i] == len(self.log(t, i)) for t in INPUTS for i in range(PARTITIONS))


class Group:
    """A consumer group whose members share the partition indexes, both topics of an index with one member.

    A rebalance waits until every member has given up its partitions, which it does when its batch in hand is
    committed, or is expelled: then it still holds what it holds, and its commits are refused.
    """

    def __init__(self) -> None:
        self.committed: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.generation = 0
        self.is_rebalancing = False
        self._members: dict[str, Member] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def silent(self) -> list[str]:
        """The members that the group does not hear from, and will expel."""
        return [name for name, member in self._members.items() if not member.answers]

    def join(self, member: Member) -> None:
        """Become a member at the next rebalance, which begins."""
        self._members[member.name] = member
        self.rebalance()

    def leave(self, name: str) -> None:
        """Go, or be expelled, which is the same to those who stay."""
        if self._members.pop(name, None) is not None:
            self.rebalance()

    def rebalance(self) -> None:
        """Begin a rebalance."""
        self.is_rebalancing = True

    def settle(self) -> bool:
        """End the rebalance if nobody holds it up. Who gets which partitions differs from one to the next."""
        if not self.is_rebalancing or not self._members or any(m.holds_up for m in self._members.values()):
            return False
        for member in self._members.values():
            member.revoked()
        self.is_rebalancing = False
        self.generation += 1
        members = list(self._members.values())
        for place, member in enumerate(members):
            turn = (place + self.generation) % len(members)
            member.assigned(self.generation, range(turn, PARTITIONS, len(members)))
        return True
