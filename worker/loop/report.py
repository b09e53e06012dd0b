"""What a batch came to, for the metrics and the log line. Counts, and stages in seconds."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from schemas.events import Rule
from worker.loop.reading import Refused
from worker.loop.settling import Answer
from worker.selection.decision import Assignment


class Tally(NamedTuple):
    """Answers, counted."""

    assigned: Counter[Rule]
    rejected: Sequence[Answer]
    found: int
    """Decided before this batch."""

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> "Tally":
        """Count the answers."""
        decisions = [answer.decision for answer in answers]
        found = decisions.count(None)
        assigned = Counter([d.rule for d in decisions if isinstance(d, Assignment)])
        if found + assigned.total() == len(answers):
            return cls(assigned, (), found)
        rejected = [a for a in answers if a.decision is not None and not isinstance(a.decision, Assignment)]
        return cls(assigned, rejected, found)


@dataclass(slots=True)
class BatchReport:
    """Filled as the batch goes through the loop."""

    records: int
    settings_version: int
    requests: int = 0
    outcomes: int = 0
    conflicts: int = 0
    damaged: int = 0
    """Contacts whose stored state was damaged, and built anew."""
    not_repeated: int = 0
    """Redelivered requests whose reply was in the log already."""
    answers: list[Answer] = field(default_factory=list)
    tally: Tally = field(default_factory=lambda: Tally.of(()))
    """Of the answers, once all are there."""
    refused: list[Refused] = field(default_factory=list)
    stages_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Account the time spent inside to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.stages_s[name] += perf_counter() - started
