"""A rebuild by hand: of some partitions, with the workers stopped, or of one contact, beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from worker.loop.recalling import Memory
from worker.loop.recovery import (
    Logs,
    Lost,
    Recollection,
    Recovery,
    milliseconds,
    recall_all,
    recalled_change,
    remember,
)
from worker.loop.takeover import GuardedContacts
from worker.selection.history import ContactHistory
from worker.state.marks import Mark
from worker.state.store import NewerFormatError, Snapshot, StateLostError

_TRIES: Final = 5
_CATCH_UP_S: Final = 30.0
_ASK_AGAIN_S: Final = 0.2


class RebuildRefusedError(Exception):
    """A rebuild that would do harm now; the text says why, and the mend."""


class Rebuilt(NamedTuple):
    """What a rebuild read of the logs: records, and those that the logs no longer hold."""

    records: int
    missing: int


class RebuiltContact(NamedTuple):
    """A contact as it was stored and as the logs make it; `events` is how many of theirs are about it."""

    stored: Snapshot
    history: ContactHistory
    events: int
    missing: int


class FollowedLogs(Logs, Protocol):
    """What a rebuild beside workers needs of the logs."""

    async def are_behind(self, ends: Mapping[int, Mark]) -> bool:
        """Whether records before these ends wait to be handled."""


class Rebuild:
    """Rebuilds state that nobody has found to be lost."""

    def __init__(  # noqa: PLR0913 - the joints, passed in by the composition root
        self,
        *,
        logs: FollowedLogs,
        contacts: GuardedContacts,
        partitions: int,
        count_members: Callable[[], Awaitable[int]],
        now: Callable[[], datetime],
        token: str,
        progress: Callable[[int, int], None],
    ) -> None:
        """Take the parts. `progress` is told how many records were read more, and how many remain."""
        self._logs = logs
        self._contacts = contacts
        self._partitions = partitions
        self._count_members = count_members
        self._now = now
        self._token = token
        self._progress = progress

    async def partitions(self, indexes: Collection[int], *, dry_run: bool) -> Rebuilt:
        """Build the contacts of these partition indexes anew, from all that the logs hold.

        A dry run reads all of it and writes nothing. Raises `RebuildRefusedError` while workers run: one that is in
        the middle of it would find its state gone. Safe to be killed: who starts next, worker or rebuild, begins
        anew.
        """
        if not dry_run and (members := await self._count_members()):
            raise RebuildRefusedError(
                f"{members} workers of the group run: stop them first. What Redis lost they rebuild by themselves; "
                "this command is for state that is wrong, not gone."
            )
        places = [(index, bucket) for index in indexes for bucket in self._contacts.buckets_of(index, self._partitions)]
        found = await self._contacts.marks_of(places)
        standings, recollection = await recall_all(self._logs, self._partitions)
        recovery = Recovery(
            contacts=self._contacts,
            lost=Lost(partitions=self._partitions, wholly={place: found[place] or b"" for place in places}, since={}),
            standings=standings,
            recollection=recollection,
            token=f"rebuilding {self._token}".encode(),
            now=self._now,
            progress=lambda records: self._progress(records, recollection.remaining),
        )
        try:
            records = await self._count(recollection) if dry_run else 0
            while not dry_run and not await recovery.step():
                records = recovery.records
        except StateLostError as error:
            raise RebuildRefusedError(
                "somebody else took the partitions over, a worker or another rebuild, or Redis lost data once more: "
                "see that no worker runs, and begin again"
            ) from error
        finally:
            await recovery.close()
        return Rebuilt(records, recollection.missing)

    async def contact(self, contact_id: str, *, dry_run: bool) -> RebuiltContact:
        """Build one contact anew, from all that the logs hold of it. The workers may run.

        Raises `RebuildRefusedError` if its state is of a newer format, or if it will not keep still.
        """
        for _ in range(_TRIES):
            stored = (await self._contacts.read({contact_id: ()}))[contact_id]
            if isinstance(stored.fault, NewerFormatError):
                raise RebuildRefusedError(f"the contact's state is left alone: {stored.fault}")
            await self._caught_up()  # so that all that made the state is in the logs
            of_contact, missing = await self._remember(contact_id)
            empty = Snapshot(ContactHistory(), stored.version, {}, stored.fault, stored.stored)
            now_ms, kept_ms = milliseconds(self._now()), self._contacts.reply_retention_ms
            change = recalled_change(contact_id, of_contact, empty, now_ms, kept_ms)
            if dry_run or not await self._contacts.write([change], {}):
                return RebuiltContact(stored, change.history, len(of_contact), missing)
        raise RebuildRefusedError("the contact is being called all the time: try again later, or stop the workers")

    async def _remember(self, contact_id: str) -> tuple[list[Memory], int]:
        _, recollection = await recall_all(self._logs, self._partitions)
        found = await remember(
            recollection, [contact_id], lambda records: self._progress(records, recollection.remaining)
        )
        return found[contact_id], recollection.missing

    async def _count(self, recollection: Recollection) -> int:
        records = 0
        while chunk := await recollection.chunk():
            records += len(chunk)
            self._progress(len(chunk), recollection.remaining)
        return records

    async def _caught_up(self) -> None:
        """Wait until the workers have committed all that was there to be handled when this was called.

        What was handled and is not committed is not in the logs yet, or not for certain.
        """
        indexes = range(self._partitions)
        ends = {index: standing.ends for index, standing in (await self._logs.standings(indexes))[0].items()}
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                while await self._logs.are_behind(ends):
                    if not await self._count_members():
                        raise RebuildRefusedError(
                            "records wait to be handled, and no worker runs that would: start one, or rebuild its "
                            "whole partition"
                        )
                    await asyncio.sleep(_ASK_AGAIN_S)
        except TimeoutError:
            raise RebuildRefusedError("the workers are behind: try again when the lag is gone") from None
