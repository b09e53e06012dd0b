"""Marks: how a bucket tells that it lost something.

For every partition index whose contacts a bucket holds it has a mark: up to where what it holds reflects the logs of
that index. Each batch writes it together with the contacts, in one script, for all buckets of its partitions. Redis
loses the end of what was written and never something from the middle, so a mark that is still there vouches for all
that was written before it, and one that has gone back says from where on the logs must be read again.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

_STORED: Final = re.compile(rb"([0-9]{1,15}) ([0-9]{1,15}) ([0-9]{1,15})(?: .*)?", re.DOTALL)
"""A later version may have more to say behind the three numbers; they go on to mean what they mean."""


class Mark(NamedTuple):
    """Next offsets of one partition index: of requests and outcomes handled, and of replies that are taken in.

    All replies below `replies` are in the bucket; those of requests below `requests` are too, wherever they are.
    """

    requests: int = 0
    outcomes: int = 0
    replies: int = 0

    def reaches(self, other: "Mark") -> bool:
        """Whether everything that the other one vouches for is vouched for by this one."""
        return self.requests >= other.requests and self.outcomes >= other.outcomes

    @property
    def is_nothing(self) -> bool:
        """Whether it vouches for nothing that was handled."""
        return not (self.requests or self.outcomes)

    def encode(self) -> bytes:
        """As it is stored."""
        return b"%d %d %d" % self


NOTHING: Final = Mark()
"""What may be expected of a bucket of which nothing is known."""


class Token(NamedTuple):
    """What stands where a mark is while a bucket is built anew: exactly these bytes, none if nothing stands there.

    Or those that were to take their place: they have, if the answer to a write was lost.
    """

    stands: bytes
    to_be: bytes


Guard: TypeAlias = Mark | Token
"""What must stand where a mark is: one that reaches this one, or a token."""


def decode_mark(stored: bytes | None) -> Mark | None:
    """The mark that is stored; `None` if there is none, or something else."""
    match = _STORED.fullmatch(stored or b"")
    return Mark(int(match[1]), int(match[2]), int(match[3])) if match else None


def is_held(guard: Guard, stored: bytes | None) -> bool:
    """Whether what is stored is what the guard asks for."""
    return _is_held(guard, stored, decode_mark(stored))


def _is_held(guard: Guard, stored: bytes | None, mark: Mark | None) -> bool:
    if isinstance(guard, Token):
        return (stored or b"") in guard
    return (guard.is_nothing and stored is None) if mark is None else mark.reaches(guard)


class Guards:
    """What the buckets of the partitions that a replica serves must show: what it saw there, or wrote there last."""

    def __init__(self) -> None:
        self._by_index: dict[int, dict[int, Guard]] = {}
        self._by_bucket: dict[int, dict[int, Guard]] = {}

    def replace(self, guards: Mapping[int, Mapping[int, Guard]]) -> None:
        """Take these, by partition index and bucket, in place of all there were."""
        self._by_index, self._by_bucket = {}, {}
        for index, of_index in guards.items():
            for bucket, guard in of_index.items():
                self.ask(index, bucket, guard)

    def ask(self, index: int, bucket: int, guard: Guard) -> None:
        """Ask for this from now on."""
        self._by_index.setdefault(index, {})[bucket] = guard
        self._by_bucket.setdefault(bucket, {})[index] = guard

    def announce(self, marks: Mapping[int, Mark | bytes]) -> None:
        """Be prepared to find what is about to be written, by partition index."""
        for index, written in marks.items():
            for bucket, guard in self._by_index.get(index, {}).items():
                if isinstance(guard, Token) and isinstance(written, bytes):
                    self.ask(index, bucket, guard._replace(to_be=written))

    def written(self, bucket: int, marks: Mapping[int, Mark | bytes]) -> None:
        """Ask for what was written to the bucket: as in the bucket itself, a mark does not go back."""
        for index in self.of(bucket).keys() & marks.keys():
            mark, guard = marks[index], self.of(bucket)[index]
            if isinstance(mark, bytes):
                self.ask(index, bucket, Token(mark, mark))
            else:
                self.ask(index, bucket, Mark(*map(max, guard, mark)) if isinstance(guard, Mark) else mark)

    def buckets(self, indexes: Collection[int]) -> Iterator[int]:
        """The buckets that are guarded for these partition indexes, each once."""
        return iter(dict.fromkeys(bucket for index in indexes for bucket in self._by_index.get(index, ())))

    def of(self, bucket: int) -> Mapping[int, Guard]:
        """The guards of a bucket, by partition index."""
        return self._by_bucket.get(bucket, {})

    def see(self, bucket: int, stored: Sequence[bytes | None]) -> set[int]:
        """Take in the marks of a bucket, in the order of `of`; give the partition indexes of which it lost something.

        From then on what was seen must be there: what is decided now builds on it, whoever wrote it.
        """
        broken = set()
        for (index, guard), value in zip(list(self.of(bucket).items()), stored, strict=True):
            mark = decode_mark(value)
            if not _is_held(guard, value, mark):
                broken.add(index)
            elif isinstance(guard, Mark) and mark is not None:
                self.ask(index, bucket, mark)
        return broken
