"""The metrics of all processes as one exposition, each sample with the number of its process. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from worker.processes.board import Card, Stage

LABEL: Final = "process"


@dataclass(frozen=True, slots=True, eq=False)
class Merged(Collector):
    """The metrics of the workers that answered, and what the supervisor knows of all."""

    cards: Mapping[int, Card]
    answers: Mapping[int, str | None]
    """What each worker gave for its `/metrics`; None: nothing."""

    def collect(self) -> Iterator[Metric]:
        """The supervisor's own, then the workers'."""
        up = GaugeMetricFamily("outbound_process_up", "1: the process runs.", labels=[LABEL])
        answered = GaugeMetricFamily(
            "outbound_process_answered", "1: the metrics of the process are among these.", labels=[LABEL]
        )
        restarts = CounterMetricFamily(
            "outbound_process_restarts", "Times the process was started again after it ended.", labels=[LABEL]
        )
        for process, card in self.cards.items():
            up.add_metric([str(process)], card.stage is not Stage.DOWN)
            answered.add_metric([str(process)], self.answers.get(process) is not None)
            restarts.add_metric([str(process)], card.restarts)
        yield from (up, answered, restarts, *merge(self.answers))


def merge(answers: Mapping[int, str | None]) -> list[Metric]:
    """The families of all expositions, each once, its samples labelled. Raises `ValueError` if one cannot be read."""
    families: dict[str, Metric] = {}
    for process, text in answers.items():
        for family in text_string_to_metric_families(text or ""):
            merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            merged.samples += [
                sample._replace(labels={LABEL: str(process), **sample.labels}) for sample in family.samples
            ]
    return list(families.values())
