"""Chance that repeats itself: a keyed hash of the call in the place of a random number generator.

The same call draws the same, on every replica and years later, and no two calls' draws tell of each other.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

MAX_KEY_BYTES: Final = blake2b.MAX_KEY_SIZE
"""Longest selection key, in bytes: the limit of BLAKE2b (RFC 7693, section 2.1)."""

_DRAW_BITS: Final = 64


def draw(below: int, selection_key: bytes, project_id: str, contact_id: str, call_id: str) -> int:
    """Draw a number from 0 to `below` - 1, uniform over the ids of calls under one key.

    The bias of scaling 64 bits down to `below` values is under `below` / 2**64, far less than anyone can see.
    """
    digest = _keyed(selection_key).copy()
    # With their lengths, so that ("ab", "c") and ("a", "bc") draw apart.
    call = f"{len(project_id)}:{project_id}{len(contact_id)}:{contact_id}{len(call_id)}:{call_id}"
    digest.update(call.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest(), "big") * below >> _DRAW_BITS


@lru_cache
def _keyed(selection_key: bytes) -> blake2b:
    """A hash that has taken in the key: to copy it costs half of taking the key in."""
    return blake2b(key=selection_key, digest_size=_DRAW_BITS // 8)
