"""Nasty records, one a file, the reason in its name; those that are large or deep are made here.

`answered`, `rejected` and `unanswered` hold records of the input topics: what fits, what does not fit and gets a reply
all the same, and what only becomes a dead letter. One whose name begins with `outcome` goes to the topic of outcomes.
`settings-taken` and `settings-refused` hold records of the settings topic: the key, a line break, the value.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

_FOLDER: Final = Path(__file__).with_name("corpus")


class Nasty(NamedTuple):
    """A record of an input topic."""

    name: str
    topic: str
    value: bytes


def of(kind: str) -> list[Nasty]:
    """The records of a kind: `answered`, `rejected` or `unanswered`."""
    found = {path.stem: path.read_bytes() for path in sorted(_FOLDER.glob(f"{kind}/*.json"))} | _made(kind)
    return [
        Nasty(name, "call-outcome" if name.startswith("outcome") else "call-requested", value)
        for name, value in found.items()
    ]


def settings_of(kind: str) -> dict[str, tuple[bytes, bytes]]:
    """The settings records of a kind, `taken` or `refused`, by name: key and value."""
    found = {path.stem: path.read_bytes().partition(b"\n") for path in sorted(_FOLDER.glob(f"settings-{kind}/*.txt"))}
    made = {}
    if kind == "refused":
        made = {
            "deep": (b"project:spring", b'{"type": "project", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            "long-key": (b"number:" + b"x" * 100_000, b"{}"),
            "long-type": (b"project:spring", b'{"type": "' + b"x" * 100_000 + b'"}'),
            "many-digits": (b"project:spring", b'{"type": "project", "more": ' + b"9" * 5_000 + b"}"),
            "many-errors": (b"project:spring", json.dumps({"type": "project", "numbers": [7] * 20_000}).encode()),
        }
    return {name: (key, value) for name, (key, _, value) in found.items()} | made


def _made(kind: str) -> dict[str, bytes]:
    deep = b"[" * 100_000 + b"]" * 100_000
    match kind:
        case "answered":
            return {
                "call-id-longest": _request("c" * 1_000),
                "contact-id-longest": _request("contact-id-longest", contact_id="🦉" * 1_000),
                "every-id-escaped": _request("\x01" * 1_000, contact_id="\x02" * 1_000, agent_id="\x03" * 1_000),
                "unknown-field-long": _request("unknown-field-long", more="x" * 900_000),
                "time-with-many-digits": _request(
                    "time-with-many-digits", requested_at=f"2026-11-24T10:00:00.{'1' * 1_000}Z"
                ),
            }
        case "rejected":
            return {
                "deep-before": b'{"more": ' + deep + b", " + _request("deep-before")[1:],
                "deep-after": _request("deep-after")[:-1] + b', "more": ' + deep + b"}",
                "deep-and-cut-short": _request("deep-and-cut-short")[:-1] + b', "more": ' + deep[:100_000],
                "deep-objects": _request("deep-objects")[:-1] + b', "more": ' + b'{"a":' * 10_000,
                "many-digits": _request("many-digits")[:-1] + b', "more": ' + b"9" * 5_000 + b"}",
                "contact-id-too-long": _request("contact-id-too-long", contact_id="x" * 1_001),
                "phone-too-long": _request("phone-too-long", phone="+" + "5" * 100_000),
                "many-quotes": _request("many-quotes")[:-1] + b', "more": "' + b'\\"' * 400_000,
            }
        case _:
            return {
                "call-id-too-long": _request("x" * 1_001),
                "deep": deep,
                "deep-call-id": b'{"call_id": ' + deep + b"}",
                "many-quotes-open": b'{"more": "' + b'\\"' * 400_000 + b', "call_id": "within a text"}',
            }


def _request(call_id: str, **fields: Any) -> bytes:
    return json.dumps(
        {
            "type": "call-requested",
            "call_id": call_id,
            "project_id": "spring",
            "contact_id": "corpus",
            "phone": "+358401234567",
            "requested_at": "2026-11-24T10:00:00+02:00",
            **fields,
        }
    ).encode()
