"""The loop itself.

For each micro-batch, in this order: read state, decide, write state with the decisions, publish, wait for every
acknowledgement, commit. A crash between any two steps loses nothing: the records come again, their decisions are
found, and the same bytes go out. Before the first batch of an assignment, and whenever Redis turns out to have lost
something, the partitions are taken over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import stamina
import structlog

from worker.loop.encoding import encode
from worker.loop.limit import RETRY_S, DeadLetterLimit
from worker.loop.reading import Incoming, Reading, Refused, read, refuse_newer
from worker.loop.report import BatchReport, Tally
from worker.loop.settling import Settler
from worker.loop.takeover import TakeOver
from worker.selection.routing import Routing
from worker.state.marks import Mark
from worker.state.store import Change, NewerFormatError, Snapshot, StateLostError
from worker.stream.records import Outbox, OutgoingReply, SourceRecord

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Intake(Protocol):
    """What the loop reads of Kafka."""

    async def fetch(self) -> list[SourceRecord]:
        """The next batch, in the order of handling; empty if there is none for now."""

    async def commit(self, batch: Sequence[SourceRecord]) -> None:
        """Commit the batch in hand."""

    def start_over(self) -> None:
        """Take back the batch in hand, as if the group had just given the partitions."""

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch in hand back unhandled; it is handed out again."""


class Publisher(Protocol):
    """What the loop writes to Kafka."""

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        """Publish all of the outbox and wait for the acknowledgements; give where the logs of replies end now."""


class Contacts(Protocol):
    """What the loop needs of Redis."""

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact, and the stored replies of the calls named."""

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        """Write the changes and the marks; give the contacts that were changed by another since they were read."""


class Loop:
    """Joins the intake, the contacts, the settings and the publisher."""

    def __init__(  # noqa: PLR0913 - the joints of the worker, passed in by the composition root
        self,
        *,
        intake: Intake,
        takeover: TakeOver,
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
        self._takeover = takeover
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

        If Redis turns out to have lost something, nothing is decided: all is put back, and taken over anew. A batch of
        too many dead letters is given back, with nothing done: what is in hand would hold up a rebalance, and with it
        the replica that is to take over.
        """
        try:
            if not await self._patiently(self._takeover.step):
                return
            batch = await self._patiently(self._intake.fetch)
            if batch:
                await self._handle(batch)
            else:
                self._limit.nothing_waits()
        except StateLostError as error:
            log.warning("started_over", reason=str(error))
            self._intake.start_over()

    async def _handle(self, batch: Sequence[SourceRecord]) -> None:
        routing = self._routing()  # once a batch: a change of the settings is in force between batches
        report = BatchReport(records=len(batch), settings_version=routing.version)
        with report.stage("parse"):
            reading = read(batch, self._call_requested)
        if not self._limit.admits(len(batch), [refused.position for refused in reading.refused]):
            self._intake.give_back(batch)
            self._over_limit(reading.refused)
            return
        report.requests, report.outcomes, report.refused = reading.requests, reading.outcomes, reading.refused
        await self._settle(batch, reading, routing, report)
        outbox = self._outbox(report)
        if outbox:
            with report.stage("publish"):
                ends = await self._patiently(partial(self._publisher.publish, outbox))
            self._takeover.progress.published(ends)
        with report.stage("commit"):
            await self._patiently(partial(self._intake.commit, batch))
        report.tally = Tally.of(report.answers)
        self._observe(report)

    async def _settle(
        self, batch: Sequence[SourceRecord], reading: Reading, routing: Routing, report: BatchReport
    ) -> None:
        """Read, decide and write until no contact's state was changed by another in between."""
        settler = Settler(routing, self._selection_key, self._now())
        unsettled = reading.by_contact
        marks = self._takeover.progress.advance(batch)
        beaten: dict[str, int] = {}
        while unsettled or marks:
            snapshots = await self._snapshots(unsettled, report)
            if any(snapshots[c].version <= version for c, version in beaten.items() if c in snapshots):
                # Another replica wrote after what was read then, and now it is gone again.
                raise StateLostError({record.partition for record in batch})
            with report.stage("decide"):
                settled = {
                    contact_id: settler.settle(contact_id, events, snapshots[contact_id])
                    for contact_id, events in unsettled.items()
                }
            changes = [each.change for each in settled.values() if each.change is not None]
            lost: set[str] = set()
            if changes or marks:
                with report.stage("write_state"):
                    lost = await self._patiently(partial(self._contacts.write, changes, marks))
            for contact_id, each in settled.items():
                if contact_id not in lost:
                    report.answers += each.answers
            report.conflicts += len(lost)
            beaten = {change.contact_id: change.version for change in changes if change.contact_id in lost}
            if not lost:
                marks = {}
            unsettled = {contact_id: unsettled[contact_id] for contact_id in lost}

    async def _snapshots(self, unsettled: dict[str, list[Incoming]], report: BatchReport) -> dict[str, Snapshot]:
        """What is known of the contacts. Damaged state is mended; whose state is too new leaves the unsettled."""
        calls = {contact_id: _requested(events) for contact_id, events in unsettled.items()}
        while True:
            with report.stage("read_state"):
                snapshots = await self._patiently(partial(self._contacts.read, calls))
            faults = {contact_id: each for contact_id, each in snapshots.items() if each.fault is not None}
            if not faults:
                return snapshots
            damaged = {
                contact_id: each for contact_id, each in faults.items() if not isinstance(each.fault, NewerFormatError)
            }
            if damaged:
                report.damaged += len(damaged)
                await self._patiently(partial(self._takeover.mend, damaged))
            for contact_id in faults.keys() - damaged.keys():
                report.refused += refuse_newer(unsettled.pop(contact_id), str(faults[contact_id].fault))
                del calls[contact_id]

    def _outbox(self, report: BatchReport) -> Outbox:
        # Each at its place in the batch: conflicts were settled later.
        replies: list[OutgoingReply | None] = [None] * report.records
        for position, letter, rejection in report.refused:
            if rejection is not None:
                key = None if rejection.contact_id is None else rejection.contact_id.encode()
                replies[position] = OutgoingReply(letter.record, key, encode(rejection))
        for answer in report.answers:
            incoming = answer.incoming
            if answer.decision is None and self._takeover.was_published(incoming.record):
                report.not_repeated += 1
            else:
                key = incoming.event.contact_id.encode()
                replies[incoming.position] = OutgoingReply(incoming.record, key, answer.value)
        return Outbox([reply for reply in replies if reply is not None], [refused.letter for refused in report.refused])

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step, waiting out the outage of a dependency for as long as it lasts."""
        async for attempt in stamina.retry_context(
            on=self._is_outage, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=1.0
        ):
            with attempt:
                self._alive()
                return await step()
        raise AssertionError("unreachable: the retries have no end")


def _requested(events: Sequence[Incoming]) -> list[str]:
    return [event.call_id for each in events if (event := each.event).type == "call-requested"]
