"""Whom the simulated dialer calls next, how the call ends, and whether it is made again. Pure.

Time is passed in, and chance too: the same seed makes the same calls if the same things happen at the same times.
"""

import heapq
from collections.abc import Mapping, Sequence
from itertools import count
from random import Random
from typing import Final, NamedTuple

from worker.demo.phones import random_phone


class _Ending(NamedTuple):
    """A way for a call to end. `share` weighs it against the others; the ranges are drawn from evenly."""

    outcome: str
    share: int
    lasts_s: tuple[float, float]
    again_after_s: tuple[float, float] | None


# Shares as an outbound campaign sees them; times shortened, so that a minute shows what takes days.
_ENDINGS: Final = (
    _Ending("no-answer", 22, (2.0, 4.0), (2.0, 6.0)),
    _Ending("no-deal", 20, (2.0, 6.0), None),
    _Ending("voicemail", 20, (1.5, 3.0), (3.0, 8.0)),
    _Ending("busy", 15, (0.5, 1.0), (2.0, 5.0)),
    _Ending("callback", 12, (2.0, 4.0), (4.0, 9.0)),
    _Ending("deal", 11, (3.0, 8.0), None),
)
_SHARES: Final = tuple(ending.share for ending in _ENDINGS)

MAX_ATTEMPTS: Final = 5
"""Calls to a contact in one project before the dialer gives up."""

_MAX_KNOWN: Final = 500
_KNOWN_SHARE: Final = 0.35
"""How often, when no call is to be repeated, a project calls a contact that another one knows."""

_AGENT_SHARE: Final = 0.4
"""Of the calls, those that the dialer makes for a certain agent."""


class Contact(NamedTuple):
    """A made-up person; `code` is the calling code of the country."""

    contact_id: str
    phone: str
    code: str


class Call(NamedTuple):
    """A call to be made, and how it is going to end."""

    call_id: str
    project_id: str
    contact: Contact
    agent_id: str | None
    outcome: str
    lasts_s: float
    again_after_s: float | None


class _Case(NamedTuple):
    """A contact's way through the projects; `attempt` counts the calls of the last one."""

    contact: Contact
    projects: tuple[str, ...]
    attempt: int


class CallList:
    """Gives calls, never two at a time to one contact. What it remembers is bounded."""

    def __init__(self, projects: Mapping[str, Sequence[str]], agents: Sequence[str], chance: Random) -> None:
        """Take the projects, each with the calling codes of the countries that it calls; at least one."""
        self._projects = projects
        self._agents = agents
        self._chance = chance
        self._ids = count(1)
        self._contact_ids = count(1)
        self._again: list[tuple[float, str, _Case]] = []
        """A heap of the calls to be repeated, by when."""
        self._known: list[_Case] = []
        """Contacts that one project is done with, and another has not called yet."""
        self._open: dict[str, _Case] = {}

    def next(self, now_s: float) -> Call:
        """The next call: one that is due to be repeated, else to a contact new to the project, or to all."""
        case = self._case(now_s)
        ending = self._chance.choices(_ENDINGS, _SHARES)[0]
        again = ending.again_after_s if case.attempt < MAX_ATTEMPTS else None
        call = Call(
            call_id=f"call-{next(self._ids):04}",
            project_id=case.projects[-1],
            contact=case.contact,
            agent_id=self._agent(),
            outcome=ending.outcome,
            lasts_s=self._chance.uniform(*ending.lasts_s),
            again_after_s=None if again is None else self._chance.uniform(*again),
        )
        self._open[call.call_id] = case
        return call

    def ended(self, call: Call, now_s: float) -> None:
        """Note that a call ended as planned: its contact may be called again."""
        case = self._open.pop(call.call_id)
        if call.again_after_s is not None:
            heapq.heappush(self._again, (now_s + call.again_after_s, call.call_id, case))
        elif self._others(case) and len(self._known) < _MAX_KNOWN:
            self._known.append(case)

    def _case(self, now_s: float) -> _Case:
        if self._again and self._again[0][0] <= now_s:
            case = heapq.heappop(self._again)[-1]
            return case._replace(attempt=case.attempt + 1)
        if self._known and self._chance.random() < _KNOWN_SHARE:
            case = self._known.pop(self._chance.randrange(len(self._known)))
            return _Case(case.contact, (*case.projects, self._chance.choice(self._others(case))), 1)
        project_id = self._chance.choice(list(self._projects))
        code = self._chance.choice(self._projects[project_id])
        contact = Contact(f"c-{next(self._contact_ids):04}", random_phone(code, self._chance), code)
        return _Case(contact, (project_id,), 1)

    def _others(self, case: _Case) -> list[str]:
        """The projects that call the contact's country and have not called the contact."""
        return [
            project_id
            for project_id, codes in self._projects.items()
            if case.contact.code in codes and project_id not in case.projects
        ]

    def _agent(self) -> str | None:
        return self._chance.choice(self._agents) if self._agents and self._chance.random() < _AGENT_SHARE else None
