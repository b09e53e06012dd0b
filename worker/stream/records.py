"""What passes between the loop and Kafka."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec


class SourceRecord(Protocol):
    """A record as it was read from an input topic. `timestamp` is in milliseconds since 1970."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


def ends_of(batch: Iterable[SourceRecord]) -> dict[tuple[str, int], int]:
    """The offsets that follow a batch, by topic and partition index: the last record of each is the last handled."""
    return {(record.topic, record.partition): record.offset + 1 for record in batch}


class Assignment(NamedTuple):
    """The partition indexes that the group gave this replica, of how many. Another assignment is another object."""

    indexes: frozenset[int]
    partitions: int


class OutgoingReply(msgspec.Struct, frozen=True, gc=False):
    """A reply, and the request record that it answers: it goes to the partition with that record's index.

    `key` is the contact id, whatever key the request came under; `None` if it could not be read.
    """

    request: SourceRecord
    key: bytes | None
    value: bytes


class DeadLetter(NamedTuple):
    """A record that cannot be handled, and why, in the terms of Kafka Connect's dead letter headers."""

    record: SourceRecord
    stage: str
    error: str
    message: str


class Outbox:
    """What a batch publishes. Entries leave it as the brokers acknowledge them, so a second try sends the rest."""

    def __init__(self, replies: Sequence[OutgoingReply], dead_letters: Sequence[DeadLetter]) -> None:
        self.replies = list(replies)
        self.dead_letters = list(dead_letters)

    def __bool__(self) -> bool:
        return bool(self.replies or self.dead_letters)
