"""Calls in rounds, judged by the model, while what the worker stands on is changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count

from schemas.events import CallOutcome, CallRequested
from tests.end_to_end.centre import PHONE, Centre
from tests.model import complaints_of_run
from worker.settings.file import load

CONTACTS, AT_ONCE = 60, 20
PROJECTS = ("first", "second", "third")


class Rounds:
    """In each round, every contact is called by every project, and every second call ends busy."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.events: list[CallRequested | CallOutcome] = []
        self._ids = count()

    async def round(self) -> None:
        """All of the contacts, each call when the one before is answered."""
        await asyncio.gather(*[self._contact(n) for n in range(CONTACTS)])

    async def _contact(self, n: int) -> None:
        for project in PROJECTS:
            await self.call(project, f"contact-{n}")

    async def call(self, project: str, contact: str) -> None:
        """One call; its outcome, if it has one, is in the log before the next one is asked for."""
        call_id = f"call-{next(self._ids)}"
        reply = await self.centre.call(project, contact, call_id=call_id)
        ids = {name: reply[name] for name in ("call_id", "project_id", "contact_id")}
        at = datetime.fromisoformat(reply["requested_at"])
        self.events.append(CallRequested(type="call-requested", phone=PHONE, requested_at=at, **ids))
        if int(call_id[5:]) % 2:
            await self.centre.outcome(project, contact, call_id, "busy", occurred_at=at.isoformat())
            self.events.append(CallOutcome(type="call-outcome", outcome="busy", occurred_at=at, **ids))

    @asynccontextmanager
    async def passers_by(self) -> AsyncIterator[None]:
        """Meanwhile other contacts are called, once each.

        What a failover loses of the last writes, and what a change of partitions does to the order, does not show in
        them: each gets the reply to a first call.
        """
        done = asyncio.Event()
        calling = [asyncio.create_task(self._pass_by(n, done)) for n in range(AT_ONCE)]
        try:
            yield
        finally:
            done.set()
        await asyncio.gather(*calling)

    async def _pass_by(self, n: int, done: asyncio.Event) -> None:
        for k in count():
            await self.call("second", f"passer-by-{n}-{k}")
            if done.is_set():
                break

    async def judge(self) -> None:
        """Stop the workers: all was answered once, as the model would have it."""
        for worker in self.centre.workers:
            assert worker.process.returncode is None, worker.log.read_text()[-4_000:]
            assert await worker.stop() == 0
        replies = {(str(k), c): [r.value for r in records] for (k, c), records in self.centre.replies.items()}
        settings = load(self.centre.folder / "settings.yaml").records
        complaints = complaints_of_run(settings, self.events, replies)
        assert not complaints, "\n".join(complaints[:20])
