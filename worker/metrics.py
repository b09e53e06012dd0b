"""The metrics and log lines that a batch gives rise to."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from worker.loop.reading import Refused
from worker.loop.report import BatchReport
from worker.loop.settling import Answer
from worker.loop.takeover import TakeOver
from worker.selection.decision import Rejection

_BATCH_RECORDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)
TELL_AGAIN_S: Final = 60.0
"""How long a worker that is paused does not say so again."""

_STAGE_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

log = structlog.get_logger(__name__)


class Metrics:
    """Counts what the loop does. One per process, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._events = Counter("outbound_events", "Events handled.", ["type"], registry=registry)
        self._assigned = Counter("outbound_assignments", "Calls given a number.", ["rule"], registry=registry)
        self._rejected = Counter("outbound_rejections", "Calls given none.", ["reason"], registry=registry)
        self._repeated = Counter("outbound_repeats", "Replies sent again, as decided before.", registry=registry)
        self._not_repeated = Counter(
            "outbound_redeliveries", "Redelivered requests whose reply was out already.", registry=registry
        )
        self._dead_letters = Counter("outbound_dead_letters", "Records that do not fit.", registry=registry)
        self._conflicts = Counter(
            "outbound_conflicts", "Contacts decided again: another replica was first.", registry=registry
        )
        self._damaged = Counter(
            "outbound_damaged_contacts", "Contacts whose stored state was damaged, and rebuilt.", registry=registry
        )
        self._batch = Histogram(
            "outbound_batch_records", "Records per batch.", buckets=_BATCH_RECORDS, registry=registry
        )
        self._stages = Histogram(
            "outbound_stage_seconds",
            "Time per batch and stage.",
            ["stage"],
            buckets=_STAGE_S,
            registry=registry,
        )
        # Found once: to find one takes 0.6 µs, as long as to count with it, and each batch counts a dozen.
        self._events_of = cache(self._events.labels)
        self._assigned_by = cache(self._assigned.labels)
        self._stage = cache(self._stages.labels)

    def observe(self, report: BatchReport) -> None:
        """Count a batch."""
        self._events_of("call-requested").inc(report.requests)
        self._events_of("call-outcome").inc(report.outcomes)
        self._dead_letters.inc(len(report.refused))
        self._conflicts.inc(report.conflicts)
        self._damaged.inc(report.damaged)
        self._not_repeated.inc(report.not_repeated)
        self._batch.observe(report.records)
        for stage, duration_s in report.stages_s.items():
            self._stage(stage).observe(duration_s)
        for refused in report.refused:
            if refused.reply is not None:
                self._rejected.labels(refused.reply.reason).inc()
        for rule, count in report.tally.assigned.items():
            self._assigned_by(rule).inc(count)
        for answer in report.tally.rejected:
            self._rejected.labels(_reason(answer)).inc()
        self._repeated.inc(report.tally.found - report.not_repeated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges(Collector):
    """What is asked for when the metrics are read."""

    lag: Callable[[], Mapping[tuple[str, int], int]]
    settings_version: Callable[[], int]
    settings_refused: Callable[[], int]
    waits_exceeded: Callable[[], int]
    paused: Callable[[], bool]
    takeover: TakeOver

    def collect(self) -> Iterator[Metric]:
        """Ask now."""
        lag = GaugeMetricFamily("outbound_lag_records", "Records not handled yet.", labels=["topic", "partition"])
        for (topic, partition), records in self.lag().items():
            lag.add_metric([topic, str(partition)], records)
        yield lag
        yield GaugeMetricFamily(
            "outbound_settings_version", "Offset of the last settings record.", self.settings_version()
        )
        yield CounterMetricFamily(
            "outbound_settings_refused", "Settings records that do not fit.", self.settings_refused()
        )
        yield CounterMetricFamily(
            "outbound_order_waits_exceeded",
            "Records handled without waiting any longer for the other topic.",
            self.waits_exceeded(),
        )
        yield GaugeMetricFamily("outbound_paused", "1: paused, since too many records do not fit.", self.paused())
        takeover = self.takeover
        yield CounterMetricFamily("outbound_state_losses", "Buckets of which Redis lost something.", takeover.losses)
        yield CounterMetricFamily("outbound_rebuild_records", "Records read again to rebuild state.", takeover.recalled)
        yield GaugeMetricFamily(
            "outbound_rebuild_remaining_records", "Records that a rebuild has yet to read.", takeover.remaining
        )


class LimitLog:
    """Tells of a worker that is paused by the limit on dead letters: when it begins, and once in a while after."""

    def __init__(self, percent: int, window_records: int) -> None:
        self._limit = f"{percent} % of {window_records} records"
        self._told_at_s = float("-inf")

    def __call__(self, refused: Sequence[Refused]) -> None:
        """Tell of the batch that is not handled by the first of its records that do not fit."""
        if time.monotonic() - self._told_at_s < TELL_AGAIN_S:
            return
        self._told_at_s = time.monotonic()
        first = refused[0].letter
        log.error(
            "paused_by_dead_letters",
            limit=self._limit,
            dead_letters=len(refused),
            topic=first.record.topic,
            partition=first.record.partition,
            offset=first.record.offset,
            error=first.message,
            mend="nothing of this batch was handled or committed. If the worker reads the records wrong, put back its "
            "former version. If they are wrong, mend who writes them, and start the worker with a higher "
            "OUTBOUND_DEAD_LETTER_LIMIT_PERCENT (100: no limit) to move them to the dead letters",
        )


def log_batch(report: BatchReport) -> None:
    """One line for the batch, and one for each record that was refused and each call that was rejected."""
    for refused in report.refused:
        record = refused.letter.record
        log.warning(
            "dead_letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=refused.letter.message,
            answered=refused.reply is not None,
        )
    for answer in report.tally.rejected:
        event = answer.incoming.event
        log.warning("call_rejected", reason=_reason(answer), call_id=event.call_id, contact_id=event.contact_id)
    log.info(
        "batch",
        records=report.records,
        requests=report.requests,
        outcomes=report.outcomes,
        assigned=report.tally.assigned.total(),
        rejected=len(report.tally.rejected),
        repeated=report.tally.found - report.not_repeated,
        not_repeated=report.not_repeated,
        dead_letters=len(report.refused),
        conflicts=report.conflicts,
        settings_version=report.settings_version,
        **{f"{stage}_ms": round(duration_s * 1_000, 1) for stage, duration_s in report.stages_s.items()},
    )


def _reason(answer: Answer) -> str:
    assert isinstance(answer.decision, Rejection)  # noqa: S101 - for the type checker: it is among the rejected
    return answer.decision.reason
