"""The metrics of several processes as one exposition."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from worker.processes.board import Card, Stage
from worker.processes.merging import Merged

RUNS = Card(Stage.STARTED, restarts=0)


def exposition(calls: int, *, lag: float = 0) -> str:
    registry = CollectorRegistry()
    Counter("outbound_calls", "Calls.", ["rule"], registry=registry).labels('a "b"\n').inc(calls)
    Histogram("outbound_s", "Time.", buckets=(1,), registry=registry).observe(calls)
    Gauge("outbound_lag", "Lag.", registry=registry).set(lag)
    return generate_latest(registry).decode()


def merged(cards: dict[int, Card], answers: dict[int, str | None]) -> str:
    return generate_latest(Merged(cards, answers)).decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name + sample.labels.get("le", ""), sample.labels["process"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_every_sample_says_which_process_it_is_of_and_keeps_name_labels_and_value() -> None:
    text = merged({0: RUNS, 1: RUNS}, {0: exposition(3, lag=5), 1: exposition(4)})
    found = samples(text)
    assert (found["outbound_calls_total", "0"], found["outbound_calls_total", "1"]) == (3, 4)
    assert (found["outbound_lag", "0"], found["outbound_lag", "1"]) == (5, 0)
    assert (found["outbound_s_bucket+Inf", "0"], found["outbound_s_sum", "1"]) == (1, 4)
    assert 'outbound_calls_total{process="1",rule="a \\"b\\"\\n"} 4.0' in text


def test_each_family_is_described_once() -> None:
    lines = merged({0: RUNS, 1: RUNS}, {0: exposition(3), 1: exposition(4)}).splitlines()
    described = [line for line in lines if line.startswith("#")]
    assert len(described) == len(set(described))
    assert "# HELP outbound_calls_total Calls." in described
    assert "# TYPE outbound_calls_total counter" in described
    assert "# TYPE outbound_s histogram" in described


def test_a_process_that_does_not_answer_is_left_out_and_that_is_said() -> None:
    found = samples(merged({0: RUNS, 1: RUNS}, {0: None, 1: exposition(4)}))
    assert ("outbound_calls_total", "0") not in found
    assert found["outbound_calls_total", "1"] == 4
    assert (found["outbound_process_answered", "0"], found["outbound_process_answered", "1"]) == (0, 1)
    assert (found["outbound_process_up", "0"], found["outbound_process_up", "1"]) == (1, 1)


def test_what_the_supervisor_knows_is_there_when_nobody_answers() -> None:
    cards = {0: Card(Stage.DOWN, restarts=7), 1: Card(Stage.STARTING, restarts=2)}
    found = samples(merged(cards, {0: None, 1: None}))
    assert found == {
        ("outbound_process_up", "0"): 0,
        ("outbound_process_up", "1"): 1,
        ("outbound_process_answered", "0"): 0,
        ("outbound_process_answered", "1"): 0,
        ("outbound_process_restarts_total", "0"): 7,
        ("outbound_process_restarts_total", "1"): 2,
    }
