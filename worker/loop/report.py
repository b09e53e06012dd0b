"""What a batch came to, for the metrics and the log line. Counts, and stages in seconds."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from worker.loop.reading import Refused
from worker.loop.settling import Answer


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
