"""A small call centre to decide for: three numbers, one project, one contact."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from schemas.events import CallRequested
from schemas.settings import NumberSettings, ProjectSettings, SettingsRecord
from tests.model.engine import SELECTION_KEY, routing_of
from worker.selection.decision import Assignment, Rejection, decide
from worker.selection.history import CallEnd, ContactHistory

HELSINKI, TAMPERE, STOCKHOLM = "+358912345678", "+358331234567", "+46812345678"
NEW_YORK, BROOKLYN, LOS_ANGELES = "+12125550123", "+17185550123", "+13105550123"
NUMBERS = (HELSINKI, TAMPERE, STOCKHOLM)
MOBILE = "+358401234567"
HOUR_US = 3_600_000_000
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def project(**settings: Any) -> ProjectSettings:
    return ProjectSettings(**({"project_id": "spring", "numbers": NUMBERS} | settings))


def request(**fields: Any) -> CallRequested:
    usual = {"call_id": "call-9", "project_id": "spring", "contact_id": "contact-1", "phone": MOBILE}
    return CallRequested(**({"type": "call-requested", "requested_at": NOW} | usual | fields))


def inventory(numbers: Iterable[str] = NUMBERS, resting: Iterable[str] = ()) -> list[SettingsRecord]:
    return [NumberSettings(number=number, active=number not in tuple(resting)) for number in numbers]


def called(
    *numbers: str | None, by: str = "spring", outcome: str | None = None, next_number: str | None = None
) -> ContactHistory:
    """The history after calls an hour apart that showed these numbers, and the outcome of the last of them."""
    history = ContactHistory()
    for n, number in enumerate(numbers):
        history.record_call(by, f"call-{n}", number, n * HOUR_US)
    if outcome is not None:
        last = len(numbers) - 1
        history.record_outcome(by, f"call-{last}", CallEnd(outcome, next_number, last * HOUR_US + 1))
    return history


def decided(
    *records: SettingsRecord, history: ContactHistory | None = None, asked: CallRequested | None = None
) -> Assignment | Rejection:
    return decide(asked or request(), history or ContactHistory(), routing_of(records), SELECTION_KEY)


def assigned(
    *records: SettingsRecord, history: ContactHistory | None = None, asked: CallRequested | None = None
) -> Assignment:
    decision = decided(*records, history=history, asked=asked)
    assert isinstance(decision, Assignment)
    return decision
