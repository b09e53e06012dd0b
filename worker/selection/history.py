"""What is known of a contact: its calls per project, the numbers it was shown, and outcomes on wait.

A history changes only by `record_call` and `record_outcome`, and is dated by the events' own times, never by
a clock, so that the same events give the same history whenever they are handled.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from worker.selection import uses

MAX_WAITING: Final = 16
"""Outcomes per contact that may wait for a call that is not known yet; the newest are kept."""

WAITING_US: Final = 24 * 3600 * 1_000_000
"""How long an outcome waits, in microseconds of event time."""

MAX_NUMBERS: Final = 1_000
"""Numbers per contact whose last use is remembered. One that is forgotten was used longest ago, and counts as
never used: `different_number` would have come to it soon anyway."""

MAX_PROJECTS: Final = 1_000
"""Projects per contact that are remembered; the ones called longest ago are forgotten first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exact."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(at_us: int) -> datetime:
    """The time that is so many microseconds after 1970-01-01T00:00:00Z."""
    return _EPOCH + at_us * _MICROSECOND


class CallEnd(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """How a call ended. What it said is kept; the settings of the next call's decision resolve it."""

    outcome: str
    next_number: str | None
    occurred_at_us: int


class WaitingOutcome(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """An outcome whose call is not known yet."""

    project_id: str
    call_id: str
    end: CallEnd


class ProjectCalls(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """The calls of one project to the contact."""

    attempts: int
    latest_call: str
    end: CallEnd | None = None


class ContactHistory(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """All that earlier events say of one contact. An empty one is a contact never heard of."""

    last_number: str | None = None
    projects: dict[str, ProjectCalls] = msgspec.field(default_factory=dict)
    uses: bytes = uses.NONE
    """Of numbers, packed: see `worker.selection.uses`."""
    waiting: list[WaitingOutcome] = msgspec.field(default_factory=list)

    def attempts(self, project_id: str) -> int:
        """Calls of the project to the contact so far."""
        calls = self.projects.get(project_id)
        return calls.attempts if calls else 0

    def record_call(self, project_id: str, call_id: str, number: str | None, at_us: int) -> None:
        """Count a call that was assigned a number; `None` is an anonymous call, which shows none."""
        before = self.projects.pop(project_id, None)  # at the end again: the order of the dict is that of the calls
        self.projects[project_id] = calls = ProjectCalls(before.attempts + 1 if before else 1, call_id)
        if len(self.projects) > MAX_PROJECTS:
            del self.projects[next(iter(self.projects))]
        if number is not None:
            self._record_use(number, at_us)
        if not self.waiting:
            return
        self._prune_waiting(at_us)
        for waiting in [w for w in self.waiting if (w.project_id, w.call_id) == (project_id, call_id)]:
            self.waiting.remove(waiting)
            self._record_end(calls, waiting.end)

    def record_outcome(self, project_id: str, call_id: str, end: CallEnd) -> bool:
        """Take in the outcome of a call; say whether that changed anything.

        It counts if the call is the contact's latest in that project. The outcome of any other call waits, as
        the call may not be known yet; that of an older call waits in vain, and harmlessly.
        """
        changed = self._prune_waiting(end.occurred_at_us)
        calls = self.projects.get(project_id)
        if calls is not None and calls.latest_call == call_id:
            return self._record_end(calls, end) or changed
        return self._record_waiting(WaitingOutcome(project_id, call_id, end)) or changed

    def _record_use(self, number: str, at_us: int) -> None:
        self.last_number = number
        self.uses = uses.with_use(self.uses, number, at_us)
        if uses.count(self.uses) > MAX_NUMBERS:
            self.uses = uses.without_oldest(self.uses)

    @staticmethod
    def _record_end(calls: ProjectCalls, end: CallEnd) -> bool:
        # By the events' time, so that a redelivered earlier outcome does not win over a later one.
        if calls.end is not None and (end == calls.end or end.occurred_at_us < calls.end.occurred_at_us):
            return False
        calls.end = end
        return True

    def _record_waiting(self, waiting: WaitingOutcome) -> bool:
        if self.waiting and waiting == self.waiting[-1]:
            return False
        # Said again, it waits once, as the last one handled.
        self.waiting = [*(each for each in self.waiting if each != waiting), waiting]
        if len(self.waiting) > MAX_WAITING:
            self.waiting.remove(min(self.waiting, key=lambda w: w.end.occurred_at_us))
        return True

    def _prune_waiting(self, now_us: int) -> bool:
        if not self.waiting:
            return False
        kept = [w for w in self.waiting if w.end.occurred_at_us + WAITING_US >= now_us]
        pruned = len(kept) < len(self.waiting)
        self.waiting = kept
        return pruned
