"""A contact's history as Redis keeps it: `<version> <format><payload>`.

The version is in decimal digits, so that the script compares it without decoding what follows. The format is one
byte; the payload of format 1 is MessagePack, fields by position. A field more or less, or one of another meaning, is
a new format: then give it the next number, keep reading the old ones, and keep their golden files.
"""

import re
from typing import Final

import msgspec

from worker.selection.history import ContactHistory

FORMAT: Final = 1
"""The format written, and the newest that is understood."""

_STORED = re.compile(rb"([1-9][0-9]{0,17}) ([\x00-\xff])", re.DOTALL)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ContactHistory)


class StateError(Exception):
    """Stored state that cannot be used. The text never names the contact."""


class DamagedStateError(StateError):
    """Bytes that this program never wrote in any version."""


class NewerFormatError(StateError):
    """Written by a newer version of this program: to be left alone, not to be repaired."""


def head(version: int) -> bytes:
    """What a stored value of this version begins with: empty for version 0, which is an absent contact."""
    return b"%d " % version if version else b""


def encode(history: ContactHistory, version: int) -> bytes:
    """The value to store, of version 1 or more."""
    return b"%b%c%b" % (head(version), FORMAT, _encoder.encode(history))


def decode(stored: bytes | None) -> tuple[ContactHistory, int]:
    """The history and its version; an absent value (`None`) is an empty history of version 0.

    Raises `NewerFormatError` or `DamagedStateError`.
    """
    if stored is None:
        return ContactHistory(), 0
    match = _STORED.match(stored)
    if match is None:
        raise DamagedStateError("it does not begin with a version and a format")
    version, written = int(match[1]), match[2][0]
    if written > FORMAT:
        raise NewerFormatError(f"it is of format {written}, and this program reads up to {FORMAT}; upgrade it")
    if written != FORMAT:
        raise DamagedStateError(f"there is no format {written}")
    try:
        return _decoder.decode(memoryview(stored)[match.end() :]), version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedStateError(f"its payload cannot be decoded ({type(error).__name__})") from error
