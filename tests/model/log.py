"""All that happened to one contact, as a plain list in handling order; every question scans the list."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

WAITING: Final = timedelta(hours=24)
MAX_WAITING: Final = 16


class Called(NamedTuple):
    """A call that was assigned a number, or none (`None`: anonymous). Rejected calls leave no trace here."""

    project_id: str
    call_id: str
    number: str | None
    at: datetime


class Ended(NamedTuple):
    """An outcome, whatever call it names."""

    project_id: str
    call_id: str
    outcome: str
    next_number: str | None
    at: datetime


class ContactLog:
    """The events of one contact, oldest first."""

    def __init__(self) -> None:
        self.entries: list[Called | Ended] = []

    def calls(self, project_id: str | None = None) -> list[Called]:
        """The calls of a project, or of all projects, oldest first."""
        return [e for e in self.entries if isinstance(e, Called) and project_id in (None, e.project_id)]

    def previous_number(self) -> str | None:
        """The number that the contact saw last, by any project."""
        shown = [call.number for call in self.calls() if call.number is not None]
        return shown[-1] if shown else None

    def last_use(self, number: str) -> datetime | None:
        """When the contact was last shown the number, by any project."""
        return max((call.at for call in self.calls() if call.number == number), default=None)

    def used(self) -> set[str]:
        """The numbers that the contact was ever shown, by any project."""
        return {call.number for call in self.calls() if call.number is not None}

    def end_of_latest_call(self, project_id: str) -> Ended | None:
        """The outcome that counts for the latest call in the project: the last by its time, then by its handling."""
        return max(self._ends_of_latest_call(project_id), key=lambda e: e[0], default=(None, None))[1]

    def waiting(self) -> list[Ended]:
        """The outcomes whose call is not known yet. That of an older call waits too: nobody comes for it."""
        return self._waiting_before(len(self.entries))

    def _ends_of_latest_call(self, project_id: str) -> list[tuple[tuple[datetime, int], Ended]]:
        calls = [i for i, e in enumerate(self.entries) if isinstance(e, Called) and e.project_id == project_id]
        if not calls:
            return []
        at, call = calls[-1], self.entries[calls[-1]]
        waited = [e for e in self._waiting_before(at) if _belongs(e, call) and not _expired(e, call)]
        heard = [e for e in self.entries[at + 1 :] if isinstance(e, Ended) and _belongs(e, call)]
        return [((end.at, place), end) for place, end in enumerate(waited + heard)]

    def _waiting_before(self, position: int) -> list[Ended]:
        """Replay the log up to a position: who waits then, in handling order."""
        waiting: list[Ended] = []
        for i, entry in enumerate(self.entries[:position]):
            waiting = [w for w in waiting if not _expired(w, entry)]
            if isinstance(entry, Called):
                waiting = [w for w in waiting if not _belongs(w, entry)]
            elif not self._is_of_latest_call(entry, i):
                waiting = [*(w for w in waiting if w != entry), entry]  # the same outcome again is one outcome
                newest = sorted(range(len(waiting)), key=lambda n: (waiting[n].at, n))[-MAX_WAITING:]
                waiting = [waiting[n] for n in sorted(newest)]
        return waiting

    def _is_of_latest_call(self, end: Ended, position: int) -> bool:
        before = [e for e in self.entries[:position] if isinstance(e, Called) and e.project_id == end.project_id]
        return bool(before) and before[-1].call_id == end.call_id


def _belongs(end: Ended, call: Called | Ended) -> bool:
    return (end.project_id, end.call_id) == (call.project_id, call.call_id)


def _expired(waiting: Ended, later: Called | Ended) -> bool:
    return later.at - waiting.at > WAITING
