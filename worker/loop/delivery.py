"""What batches came to, on its way out: published in their order, committed after, while the next one is settled.

A batch is handed over when its states and decisions are written. From there on it needs nothing of those that follow:
so they are fetched, read, decided and written meanwhile. One batch is on its way at a time, for replies go out in the
order of their requests; the next is handed over when all of it is acknowledged.

Offsets are committed now and then rather than for each batch. What is not committed yet comes again after a crash, is
found decided and in the log, and is not published again: to the readers nothing changes.
"""

from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from worker.loop.patience import Patience
from worker.loop.progress import Progress
from worker.loop.report import BatchReport, Tally
from worker.stream.records import Outbox, SourceRecord


class Publisher(Protocol):
    """What is written to Kafka."""

    async def publish(self, outbox: Outbox) -> Mapping[int, int]:
        """Publish all of the outbox and wait for the acknowledgements; give where the logs of replies end now."""


class Offsets(Protocol):
    """Where the group's offsets are kept."""

    @property
    def uncommitted(self) -> bool:
        """Whether anything is done and not committed."""

    def done(self, batch: Sequence[SourceRecord]) -> None:
        """Take the batch that was handed out first for done."""

    async def commit(self) -> None:
        """Commit all that is done."""


class Strand(Protocol):
    """Work that goes on side by side with the loop, such as an `asyncio.Task`."""

    def done(self) -> bool: ...  # noqa: D102
    def cancel(self) -> object: ...  # noqa: D102
    def __await__(self) -> Generator[Any, Any, None]: ...


Spawn = Callable[[Coroutine[Any, Any, None]], Strand]


class Delivery:
    """Publishes and commits, one batch after the other."""

    def __init__(  # noqa: PLR0913 - the joints of the worker, passed in by the composition root
        self,
        *,
        publisher: Publisher,
        offsets: Offsets,
        patiently: Patience,
        spawn: Spawn,
        now: Callable[[], datetime],
        commit_every: timedelta,
        observe: Callable[[BatchReport], None],
    ) -> None:
        """Take the parts. `observe` is given what each batch came to, once it is published."""
        self._publisher = publisher
        self._offsets = offsets
        self._patiently = patiently
        self._spawn = spawn
        self._now = now
        self._commit_every = commit_every
        self._observe = observe
        self._publishing: Strand | None = None
        self._committing: Strand | None = None
        self._committed_at = now()

    async def hand_over(
        self, batch: Sequence[SourceRecord], outbox: Outbox, report: BatchReport, progress: Progress
    ) -> None:
        """Send a batch on its way, once the one before has arrived. Raises what ended the one before."""
        await self.arrived()
        await self._look_after_commit()
        self._publishing = self._spawn(self._publish(batch, outbox, report, progress))

    async def arrived(self) -> None:
        """Wait until what was handed over is published. Raises what ended it."""
        if self._publishing is not None:
            await self._publishing
            self._publishing = None

    async def idle(self) -> None:
        """Commit what is done, if that is due, though nothing comes. Raises what ended a batch or a commit."""
        if self._publishing is not None and self._publishing.done():
            await self.arrived()
        await self._look_after_commit()
        self._commit_if_due()

    async def finish(self) -> None:
        """Publish and commit all that was handed over."""
        await self.arrived()
        if self._committing is not None:
            await self._committing
            self._committing = None
        await self._patiently(self._offsets.commit)

    def cancel(self) -> None:
        """Leave everything as it is."""
        for strand in (self._publishing, self._committing):
            if strand is not None:
                strand.cancel()

    async def _publish(
        self, batch: Sequence[SourceRecord], outbox: Outbox, report: BatchReport, progress: Progress
    ) -> None:
        if outbox:
            with report.stage("publish"):
                ends = await self._patiently(partial(self._publisher.publish, outbox))
            progress.published(ends)
        self._offsets.done(batch)
        report.tally = Tally.of(report.answers)
        self._observe(report)
        self._commit_if_due()

    async def _look_after_commit(self) -> None:
        if self._committing is not None and self._committing.done():
            await self._committing  # which raises what ended it
            self._committing = None

    def _commit_if_due(self) -> None:
        since = self._now() - self._committed_at
        is_due = not timedelta() <= since < self._commit_every  # less than none: the clock was put back
        if is_due and self._offsets.uncommitted and self._committing is None:
            self._committed_at = self._now()
            self._committing = self._spawn(self._patiently(self._offsets.commit))
