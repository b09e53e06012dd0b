"""What a batch is counted as."""

from prometheus_client import CollectorRegistry

from tests.unit.loop.test_loop import World, request, turn
from tests.unit.loop.test_reading import REQUEST, Record, record
from worker.metrics import Gauges, Metrics


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


async def test_replies_are_counted_by_rule_and_reason_and_repeats_apart() -> None:
    unknown = record({**REQUEST, "project_id": "autumn", "call_id": "u"})
    world = World([[request("a"), unknown, Record(b"rubbish"), request("a", offset=1)], [request("a", offset=0)]])
    metrics = Metrics()
    await turn(world.loop())
    world.out_already = {0}
    await turn(world.loop())  # another replica, which finds it decided and out
    for report in world.reports:
        metrics.observe(report)
    registry = metrics.registry
    assert value(registry, "outbound_assignments_total", rule="first_call_random") == 1
    assert value(registry, "outbound_rejections_total", reason="unknown_project") == 1
    assert value(registry, "outbound_repeats_total") == 1
    assert value(registry, "outbound_redeliveries_total") == 1
    assert value(registry, "outbound_dead_letters_total") == 1
    assert value(registry, "outbound_events_total", type="call-requested") == 4
    assert value(registry, "outbound_batch_records_sum") == 5
    assert value(registry, "outbound_stage_seconds_count", stage="write_state") == 2


def test_gauges_are_read_when_they_are_asked_for() -> None:
    lag = {("call-requested", 3): 7}
    registry, takeover = CollectorRegistry(), World([]).takeover()
    takeover.losses, takeover.recalled = 4, 90
    registry.register(
        Gauges(
            lag=lambda: lag,
            settings_version=lambda: 41,
            settings_refused=lambda: 2,
            waits_exceeded=lambda: 5,
            paused=lambda: True,
            takeover=takeover,
        )
    )
    assert value(registry, "outbound_lag_records", topic="call-requested", partition="3") == 7
    lag["call-requested", 3] = 0
    assert value(registry, "outbound_lag_records", topic="call-requested", partition="3") == 0
    assert value(registry, "outbound_settings_version") == 41
    assert value(registry, "outbound_settings_refused_total") == 2
    assert value(registry, "outbound_order_waits_exceeded_total") == 5
    assert value(registry, "outbound_paused") == 1
    assert value(registry, "outbound_state_losses_total") == 4
    assert value(registry, "outbound_rebuild_records_total") == 90
    assert value(registry, "outbound_rebuild_remaining_records") == 0
