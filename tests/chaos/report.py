"""What a run came to, printed so that a person can read it and copy it."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.chaos.plan import Fault


class Episode(NamedTuple):
    """A fault as it went. Times are in seconds since 1970, lengths in seconds."""

    fault: Fault
    partitions: frozenset[int]
    """The partition indexes whose replies it may have made repeat."""
    began_s: float
    mended_s: float
    recovered_s: float
    """When every request that was in the log when the fault was mended had its reply."""
    stalled_s: float
    """The longest time without a reply to anyone."""
    waited_s: float
    """The longest that a request waited for its reply."""

    def __str__(self) -> str:
        return (
            f"{self.fault}: mended after {self.mended_s - self.began_s:.1f} s, "
            f"recovered {self.recovered_s - self.mended_s:.1f} s later; "
            f"{self.stalled_s:.1f} s without any reply, {self.waited_s:.1f} s for the slowest"
        )


def say(words: str) -> None:
    """Tell the person who watches."""
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - the report is the point


def summary(counts: Mapping[str, int], episodes: Sequence[Episode]) -> str:
    """The counts, and the worst of each kind of fault."""
    by_kind: defaultdict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        by_kind[episode.fault.kind].append(episode)
    lines = [f"{count:8,} {name}" for name, count in counts.items()]
    lines.append(f"{'fault':22}{'times':>6}{'recovery s':>12}{'no reply s':>12}{'slowest s':>12}   (the worst)")
    for kind, same in sorted(by_kind.items()):
        recovery_s = max(episode.recovered_s - episode.mended_s for episode in same)
        stalled_s, waited_s = (max(values) for values in zip(*((e.stalled_s, e.waited_s) for e in same), strict=True))
        lines.append(f"{kind:22}{len(same):6}{recovery_s:12.1f}{stalled_s:12.1f}{waited_s:12.1f}")
    if episodes:
        worst = max(episodes, key=lambda episode: episode.stalled_s)
        lines.append(f"longest time without any reply: {worst.stalled_s:.1f} s, at {worst.fault}")
    return "\n".join(lines)
