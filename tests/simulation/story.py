"""What the dialer of a simulation does: a few calls to a few contacts, outcomes late, early and never, and rubbish."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from schemas.settings import NumberSettings, OutcomeSettings, ProjectSettings, SettingsRecord
from tests.simulation.kafka import OUTCOMES, PARTITIONS, REQUESTS
from tests.simulation.redis import BUCKETS
from worker.state.buckets import bucket_of

START: Final = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
START_MS: Final = int(START.timestamp() * 1_000)

_NUMBERS: Final = tuple(f"+35891234567{digit}" for digit in range(1, 5))
_CONTACTS: Final = ("contact-0", "contact-1", "contact-2", "contact-7")
"""Three on one partition index, two of them in one bucket; one on the other."""

_KINDS: Final = {"request": 10, "repeat": 3, "outcome": 6, "early outcome": 1, "misfit": 1, "rubbish": 1}
_OUTCOMES: Final = ("busy", "voicemail", "callback")

SETTINGS: Final[tuple[SettingsRecord, ...]] = (
    *(NumberSettings(number=number) for number in _NUMBERS),
    OutcomeSettings(outcome="voicemail", next_number=_NUMBERS[1]),
    ProjectSettings(
        project_id="spring", numbers=_NUMBERS, selection_logic="different_number", outcomes={"busy": _NUMBERS[0]}
    ),
    ProjectSettings(project_id="autumn", numbers=_NUMBERS[1:], keep_previous_number=True),
)
"""Of `different_number` and outcomes nearly every event changes what the next call may show."""

_PROJECTS: Final = ("spring", "spring", "spring", "autumn", "unknown")


class Sent(NamedTuple):
    """A record that the dialer sends, `at_ms` milliseconds after the start."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    at_ms: int


class Story:
    """What the dialer sends, a millisecond or more apart, so that the order of the timestamps is that of the story."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._calls: list[dict[str, str]] = []

    def events(self, count: int) -> Iterator[Sent]:
        """So many records, in order."""
        kinds = self._chance.choices(list(_KINDS), list(_KINDS.values()), k=count)
        for place, kind in enumerate(kinds):
            contact_id = self._chance.choice(_CONTACTS)
            fields = self._event(kind if self._calls else "request", place, contact_id)
            value = b"rubbish" if kind == "rubbish" else json.dumps(fields).encode()
            contact_id = fields["contact_id"]
            topic = OUTCOMES if fields["type"] == "call-outcome" else REQUESTS
            yield Sent(topic, bucket_of(contact_id, BUCKETS) % PARTITIONS, contact_id.encode(), value, place)

    def _event(self, kind: str, place: int, contact_id: str) -> dict[str, Any]:
        at = (START + timedelta(milliseconds=place)).isoformat()
        new = {
            "call_id": f"call-{place}",
            "contact_id": contact_id,
            "project_id": self._chance.choice(_PROJECTS),
        }
        if kind.endswith("outcome"):
            call = (
                self._chance.choice(self._calls[-4:]) if kind == "outcome" else {**new, "call_id": f"call-{place + 2}"}
            )
            return {**call, "type": "call-outcome", "outcome": self._chance.choice(_OUTCOMES), "occurred_at": at}
        if kind == "repeat":
            new = self._chance.choice(self._calls)
        elif kind == "request":
            self._calls.append(new)
        phone = {} if kind == "misfit" else {"phone": "+358401234567"}
        return {**new, **phone, "type": "call-requested", "requested_at": at}
