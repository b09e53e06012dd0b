"""The loop itself.

For each micro-batch, in this order: read state, decide, write state with the decisions, publish, wait for every
acknowledgement, commit. A crash between any two steps loses nothing: the records come again, their decisions are
found, and the same bytes go out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import stamina

from schemas.events import CallRequested
from worker.loop.limit import RETRY_S, DeadLetterLimit
from worker.loop.reading import Incoming, Reading, Refused, read
from worker.loop.report import BatchReport
from worker.loop.settling import Settler, encode
from worker.selection.routing import Routing
from worker.state.store import Change, Snapshot
from worker.stream.records import Outbox, OutgoingReply, SourceRecord

T = TypeVar("T")


class Intake(Protocol):
    """What the loop reads of Kafka."""

    async def fetch(self) -> list[SourceRecord]:
        """The next batch, in the order of handling; empty if there is none for now."""

    def was_published(self, record: SourceRecord) -> bool:
        """Whether the reply to the record is in the log already."""

    async def commit(self, batch: Sequence[SourceRecord]) -> None:
        """Commit the batch in hand."""

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch in hand back unhandled; it is handed out again."""


class Publisher(Protocol):
    """What the loop writes to Kafka."""

    async def publish(self, outbox: Outbox) -> None:
        """Publish all of the outbox and wait for the acknowledgements."""


class Contacts(Protocol):
    """What the loop needs of Redis."""

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact, and the stored replies of the calls named."""

    async def write(self, changes: Sequence[Change]) -> set[str]:
        """Write the changes; give the contacts that were changed by another since they were read."""


class Loop:
    """Joins the intake, the contacts, the settings and the publisher."""

    def __init__(  # noqa: PLR0913 - the joints of the worker, passed in by the composition root
        self,
        *,
        intake: Intake,
        publisher: Publisher,
        contacts: Contacts,
        routing: Callable[[], Routing],
        call_requested: str,
        selection_key: bytes,
        now: Callable[[], datetime],
        is_outage: Callable[[Exception], bool],
        limit: DeadLetterLimit,
        over_limit: Callable[[Sequence[Refused]], None],
        observe: Callable[[BatchReport], None],
        alive: Callable[[], None],
    ) -> None:
        """Take the parts.

        `is_outage` tells errors that a dependency's return will mend: these are waited out. `limit` is asked before
        anything is made of a batch; `over_limit` is given the dead letters of one that it does not admit, each time it
        is judged. `observe` is given what each batch came to, `alive` is called whenever the loop goes round or tries
        again.
        """
        self._intake = intake
        self._publisher = publisher
        self._contacts = contacts
        self._routing = routing
        self._call_requested = call_requested
        self._selection_key = selection_key
        self._now = now
        self._is_outage = is_outage
        self._limit = limit
        self._over_limit = over_limit
        self._observe = observe
        self._alive = alive

    async def run(self, stop: asyncio.Event) -> None:
        """Handle batches until told to stop; the batch in hand is finished first."""
        while not stop.is_set():
            await self.turn()
            if self._limit.is_exceeded:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)

    async def turn(self) -> None:
        """Handle one batch, if there is one. Returns with all of its work published and committed.

        A batch of too many dead letters is given back instead, with nothing done: what is in hand would hold up a
        rebalance, and with it the replica that is to take over.
        """
        batch = await self._patiently(self._intake.fetch)
        if not batch:
            self._limit.nothing_waits()
            return
        routing = self._routing()  # once a batch: a change of the settings is in force between batches
        report = BatchReport(records=len(batch), settings_version=routing.version)
        with report.stage("parse"):
            reading = read(batch, self._call_requested)
        if not self._limit.admits(len(batch), [refused.position for refused in reading.refused]):
            self._intake.give_back(batch)
            self._over_limit(reading.refused)
            return
        report.requests, report.outcomes, report.refused = reading.requests, reading.outcomes, reading.refused
        await self._settle(reading, routing, report)
        outbox = self._outbox(reading, report)
        if outbox:
            with report.stage("publish"):
                await self._patiently(partial(self._publisher.publish, outbox))
        with report.stage("commit"):
            await self._patiently(partial(self._intake.commit, batch))
        self._observe(report)

    async def _settle(self, reading: Reading, routing: Routing, report: BatchReport) -> None:
        """Read, decide and write until no contact's state was changed by another in between."""
        settler = Settler(routing, self._selection_key, self._now())
        unsettled = reading.by_contact
        while unsettled:
            calls = {contact_id: _requested(events) for contact_id, events in unsettled.items()}
            with report.stage("read_state"):
                snapshots = await self._patiently(partial(self._contacts.read, calls))
            with report.stage("decide"):
                settled = {
                    contact_id: settler.settle(contact_id, events, snapshots[contact_id])
                    for contact_id, events in unsettled.items()
                }
            changes = [each.change for each in settled.values() if each.change is not None]
            lost: set[str] = set()
            if changes:
                with report.stage("write_state"):
                    lost = await self._patiently(partial(self._contacts.write, changes))
            for contact_id, each in settled.items():
                if contact_id not in lost:
                    report.answers += each.answers
            report.conflicts += len(lost)
            unsettled = {contact_id: unsettled[contact_id] for contact_id in lost}

    def _outbox(self, reading: Reading, report: BatchReport) -> Outbox:
        replies: list[tuple[int, OutgoingReply]] = []
        for position, letter, reply in reading.refused:
            if reply is not None:
                key = None if reply.contact_id is None else reply.contact_id.encode()
                replies.append((position, OutgoingReply(letter.record, key, encode(reply))))
        for answer in report.answers:
            position, record, event = answer.incoming
            if answer.decision is None and self._intake.was_published(record):
                report.not_repeated += 1
            else:
                replies.append((position, OutgoingReply(record, event.contact_id.encode(), answer.value)))
        replies.sort(key=lambda reply: reply[0])  # conflicts were settled later than their place in the batch
        return Outbox([reply for _, reply in replies], [refused.letter for refused in reading.refused])

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step, waiting out the outage of a dependency for as long as it lasts."""
        async for attempt in stamina.retry_context(
            on=self._is_outage, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=1.0
        ):
            with attempt:
                self._alive()
                return await step()
        raise AssertionError("unreachable: the retries have no end")


def _requested(events: Sequence[Incoming]) -> set[str]:
    return {each.event.call_id for each in events if isinstance(each.event, CallRequested)}
