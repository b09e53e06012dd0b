"""The board: what the supervisor, the front and the workers know of each worker, in memory that all of them share.

One writes a worker's card at a time: the worker while it runs, the supervisor before and after. Shared memory, since
it cannot fill up, cannot block who writes it, and outlives whoever dies.
"""

import mmap
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_CARD: Final = struct.Struct("=BQH")
"""The stage, the restarts, and how many bytes the last words have, which follow."""

_LAST_WORDS_BYTES: Final = 2_000


class Stage(IntEnum):
    """Where a worker is in its life."""

    DOWN = 0
    """It does not run: not yet, or not again yet."""
    STARTING = 1
    """It runs, and has not reached all it needs yet."""
    STARTED = 2


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a worker."""

    stage: Stage
    restarts: int
    last_words: str = ""
    """Why it failed, if it foresaw that it might."""


class Board:
    """A card for each worker. Make it before the first fork."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._size = _CARD.size + _LAST_WORDS_BYTES
        self._memory = mmap.mmap(-1, workers * self._size)

    def read(self, worker: int) -> Card:
        """The worker's card."""
        at = worker * self._size
        stage, restarts, length = _CARD.unpack_from(self._memory, at)
        words = self._memory[at + _CARD.size : at + _CARD.size + length]
        return Card(Stage(stage), restarts, words.decode(errors="replace"))

    def write(self, worker: int, card: Card) -> None:
        """Replace the worker's card."""
        at = worker * self._size
        words = card.last_words.encode(errors="replace")[:_LAST_WORDS_BYTES]
        self._memory[at + _CARD.size : at + _CARD.size + len(words)] = words
        _CARD.pack_into(self._memory, at, card.stage, card.restarts, len(words))
