"""A dead letter for people and programs, personal data masked."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.log import CONTACT_FIELDS, Mask
from worker.stream.dead_letters import Letter
from worker.stream.unpacking import key_bytes

_PLAIN: Final = frozenset({"type", "project_id", "outcome", "requested_at", "occurred_at"})
"""Fields of an event that are not about a person. Any other, and any that the contract does not have, may be."""

_HIDDEN: Final = "***"


def described(letter: Letter, mask: Mask | None) -> dict[str, Any]:
    """The letter without its key, value and headers, as fields for JSON. `None` for the mask shows personal data."""
    contact_id = letter.contact_id
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "at": (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=max(letter.at_ms, 0))).isoformat(),
        "topic": letter.topic,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "stage": letter.stage,
        "error": letter.error,
        "message": letter.message if mask is None else mask.numbers(letter.message),
        "contact_id": contact_id if mask is None or contact_id is None else mask.contact(contact_id),
        "replayed": letter.is_replayed,
        "value_omitted": letter.omitted,
    }


def shown(letter: Letter, mask: Mask | None) -> Iterator[str]:
    """The letter whole, in lines."""
    for name, value in described(letter, mask).items():
        yield f"{name}: {_printable('' if value is None else str(value))}"
    yield f"key: {_key(letter.key, mask)}"
    for header_key, value in letter.headers:
        yield f"header {_text(key_bytes(header_key))}: {_bytes(value, mask)}"
    yield f"value: {_bytes(letter.value, None) if mask is None else _masked_value(letter.value, mask)}"


def _key(key: bytes | None, mask: Mask | None) -> str:
    return _text(key) if mask is None or key is None else mask.contact(key.decode("utf-8", "replace"))


def _bytes(value: bytes | None, mask: Mask | None) -> str:
    return (
        _text(value) if mask is None or value is None else f"{_HIDDEN} ({len(value)} bytes; --personal-data shows them)"
    )


def _masked_value(value: bytes | None, mask: Mask) -> str:
    try:
        fields = json.loads(value or b"")
    except (ValueError, RecursionError):
        return _bytes(value, mask)
    if not isinstance(fields, dict):
        return _bytes(value, mask)
    return json.dumps(
        {name if name.isidentifier() else _HIDDEN: _field(name, each, mask) for name, each in fields.items()}
    )


def _field(name: str, value: object, mask: Mask) -> object:
    if value is None:
        return None
    if isinstance(value, str) and name in CONTACT_FIELDS:
        return mask.contact(value)
    return mask.numbers(value) if isinstance(value, str) and name in _PLAIN else _HIDDEN


def _text(value: bytes | None) -> str:
    """Text if it is UTF-8 that a terminal can take, else hexadecimal."""
    if value is None:
        return "none"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"hex {value.hex()}"
    return text if text == _printable(text) else f"hex {value.hex()}"


def _printable(text: str) -> str:
    """Without what would steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
