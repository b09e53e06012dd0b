"""A tiny run of the bench on real servers: whether it still measures, not what."""

import json

from bench.documents import to_json, to_text
from bench.ground import servers
from bench.load import Load
from bench.plan import STEADY, WORKER, Bench, Effort
from bench.rows.backlog import FORWARDER, PER_RECORD, drain_by_rival
from bench.stages import REST, STAGES

EVENTS = 3_000


def test_the_core_rows_are_measured() -> None:
    effort = Effort(runs=1, load=Load(events=EVENTS, contacts=500), latency_s=1)
    with servers() as started:
        bench = Bench(started, effort)
        for row in ("backlog", "latency", "stages"):
            bench.measure(row)
        for rival in (PER_RECORD, FORWARDER):
            assert drain_by_rival(started, Load(events=100), rival).events == 100
    report = bench.report
    assert not report.failures
    [drained] = report.drains[WORKER]
    assert drained.events == EVENTS
    assert drained.cpu_s > 0
    assert drained.seconds > 0
    [steady] = report.latencies[STEADY]
    assert len(steady.waits_ms) > 300
    assert steady.waits_ms[0] > 0
    assert report.profile is not None
    # Of so few events a stage that costs 1 µs may have no sample; but all of them have some, and each is some stage's.
    assert report.profile.samples > 0
    assert report.profile.us_per_event.keys() <= {*STAGES, REST}
    assert json.loads(json.dumps(to_json(report)))["figures"]
    assert "| CPU of the worker, backlog of 3,000 events, 12 partitions" in to_text(report)
