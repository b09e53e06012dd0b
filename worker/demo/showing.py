"""The replies as they are shown: plain lines, or JSON as it was published. The live table is in `table`."""

import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from statistics import quantiles
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import click

from schemas.events import AssignmentRejected, NumberAssigned
from worker.words import short_reason

_MAX_LATENCIES: Final = 1_000


class Answer(NamedTuple):
    """A reply, the bytes it was published as, and how long the dialer waited for it."""

    value: bytes
    reply: NumberAssigned | AssignmentRejected
    latency_s: float


class Show(Protocol):
    """Shows answers while its context lasts."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def note(self, text: str) -> None:
        """Tell what is going on."""

    def show(self, answer: Answer) -> None:
        """Show an answer."""


class Totals:
    """Answers counted by rule, and how long the latest of them took."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.by_rule: Counter[str] = Counter()
        self._latencies_s: deque[float] = deque(maxlen=_MAX_LATENCIES)
        self._clock_s = clock_s
        self._first_at_s = 0.0

    def count(self, answer: Answer) -> None:
        """Take an answer in."""
        if not self.by_rule:
            self._first_at_s = self._clock_s()
        self.by_rule[rule_of(answer.reply)] += 1
        self._latencies_s.append(answer.latency_s)

    def line(self) -> str:
        """All of it in a line: `142 calls answered, 4.9 a second, latency 6 ms (median), 11 ms (95 %)`."""
        answered = self.by_rule.total()
        if answered < 2:  # noqa: PLR2004 - a rate and quantiles take two
            return f"{answered} call{'' if answered == 1 else 's'} answered"
        parts = quantiles(self._latencies_s, n=20, method="inclusive")
        rate = (answered - 1) / max(self._clock_s() - self._first_at_s, 1e-3)
        median_ms, high_ms = parts[9] * 1_000, parts[18] * 1_000
        return (
            f"{answered:,} calls answered, {rate:,.1f} a second, latency {median_ms:,.0f} ms (median), "
            f"{high_ms:,.0f} ms (95 %)"
        )


class Lines:
    """A line of text for each answer, totals at the end: for a pipe or a file."""

    def __init__(self) -> None:
        self._totals = Totals()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for rule, calls in self._totals.by_rule.most_common():
            click.echo(f"{rule:<20}{calls:>7,}")
        click.echo(self._totals.line())

    def note(self, text: str) -> None:
        """Tell it between the lines."""
        click.echo(text)

    def show(self, answer: Answer) -> None:
        """Write the line."""
        self._totals.count(answer)
        reply = answer.reply
        attempt = reply.attempt if isinstance(reply, NumberAssigned) else "-"
        click.echo(
            f"{reply.call_id:<10} {reply.contact_id or '-':<8} {reply.project_id or '-'}, attempt {attempt}: "
            f"{number_of(reply)} {rule_of(reply)} ({short_reason(reply)})"
        )


class Json:
    """Each reply on a line of its own, exactly as it was published."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell it on standard error: standard output is for the replies."""
        click.echo(text, err=True)

    def show(self, answer: Answer) -> None:
        """Write the reply."""
        click.echo(answer.value)


def rule_of(reply: NumberAssigned | AssignmentRejected) -> str:
    """The rule that chose, or that none did."""
    return reply.rule if isinstance(reply, NumberAssigned) else "rejected"


def number_of(reply: NumberAssigned | AssignmentRejected) -> str:
    """The number that the contact sees."""
    return (reply.number or "anonymous") if isinstance(reply, NumberAssigned) else "-"
