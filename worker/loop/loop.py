"""The loop itself.

For each micro-batch, in this order: read state, decide, write state with the decisions, publish, wait for every
acknowledgement, commit. A crash between any two steps loses nothing: the records come again, their decisions are
found, and the same bytes go out. While a batch is published the next one is read, decided and written: see
`worker.loop.delivery`. Before the first batch of an assignment, and whenever Redis turns out to have lost something,
the partitions are taken over.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from worker.loop.delivery import Delivery
from worker.loop.encoding import encode
from worker.loop.limit import RETRY_S, DeadLetterLimit
from worker.loop.patience import Patience
from worker.loop.reading import Incoming, Reading, Refused, read, refuse_newer
from worker.loop.report import BatchReport
from worker.loop.settling import Settler
from worker.loop.takeover import TakeOver
from worker.selection.routing import Routing
from worker.state.marks import Mark
from worker.state.store import Change, NewerFormatError, Snapshot, StateLostError
from worker.stream.records import Outbox, OutgoingReply, SourceRecord

log = structlog.get_logger(__name__)


class Intake(Protocol):
    """What the loop reads of Kafka."""

    async def fetch(self) -> list[SourceRecord]:
        """The next batch, in the order of handling; empty if there is none for now."""

    def start_over(self) -> None:
        """Take back what is in hand, as if the group had just given the partitions."""

    def give_back(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch that was handed out last back unhandled; it is handed out again."""


class Contacts(Protocol):
    """What the loop needs of Redis."""

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]:
        """What is known of each contact, and the stored replies of the calls named."""

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]:
        """Write the changes and the marks; give the contacts that were changed by another since they were read."""


class Loop:
    """Joins the intake, the contacts, the settings and the delivery."""

    def __init__(  # noqa: PLR0913 - the joints of the worker, passed in by the composition root
        self,
        *,
        intake: Intake,
        takeover: TakeOver,
        delivery: Delivery,
        contacts: Contacts,
        routing: Callable[[], Routing],
        call_requested: str,
        selection_key: bytes,
        now: Callable[[], datetime],
        patiently: Patience,
        limit: DeadLetterLimit,
        over_limit: Callable[[Sequence[Refused]], None],
    ) -> None:
        """Take the parts.

        `limit` is asked before anything is made of a batch; `over_limit` is given the dead letters of one that it does
        not admit, each time it is judged.
        """
        self._intake = intake
        self._takeover = takeover
        self._delivery = delivery
        self._contacts = contacts
        self._routing = routing
        self._call_requested = call_requested
        self._selection_key = selection_key
        self._now = now
        self._patiently = patiently
        self._limit = limit
        self._over_limit = over_limit

    async def run(self, stop: asyncio.Event) -> None:
        """Handle batches until told to stop; what is in hand is finished first, and committed."""
        try:
            while not stop.is_set():
                await self.turn()
                if self._limit.is_exceeded:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), RETRY_S)
            await self.finish()
        finally:
            self._delivery.cancel()

    async def turn(self) -> None:
        """Handle one batch, if there is one. Returns with its work handed over to the delivery.

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
                await self._delivery.idle()
        except StateLostError as error:
            log.warning("started_over", reason=str(error))
            # Committed too: of outcomes nothing but their offsets says at a take-over that they were handled.
            await self.finish()
            self._intake.start_over()

    async def finish(self) -> None:
        """Return with all that was handled published and committed."""
        await self._delivery.finish()

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
        await self._delivery.hand_over(batch, self._outbox(report), report, self._takeover.progress)

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


def _requested(events: Sequence[Incoming]) -> list[str]:
    return [event.call_id for each in events if (event := each.event).type == "call-requested"]
