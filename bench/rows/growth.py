"""What an event costs as things grow, against the base case of the same minutes."""

import asyncio
from dataclasses import replace
from typing import Final, NamedTuple

from bench.ground import Servers, Site
from bench.load import PROJECTS, Load, contact_id, number
from bench.rows.backlog import drain
from worker.selection.history import ContactHistory
from worker.state.store import Change, connect

CALLS_OF_HISTORY: Final = 500
_FIRST_CALL_US: Final = 1_700_000_000_000_000
_DAY_US: Final = 86_400_000_000
_BASE: Final = "base"
_PORTION: Final = 1_000
_MARKING_EVENTS: Final = 2_000


class Grown(NamedTuple):
    """What became of the base case: its CPU per event as a multiple, and the most memory, start-up included."""

    times: float
    most_mb: float


def growth(servers: Servers, base: Load) -> dict[str, Grown]:
    """Each case, by what has grown."""
    drains = {
        _BASE: drain(servers, base),
        f"{base.contacts * 10:,} contacts": drain(servers, replace(base, contacts=base.contacts * 10)),
        "20,000 numbers in a project": drain(servers, replace(base, numbers=20_000)),
        f"{CALLS_OF_HISTORY} calls of history": drain(servers, base, prepare=_write_histories),
        # What the documentation tells to configure: a number of partitions that divides that of the buckets.
        "96 partitions": drain(servers, replace(base, partitions=96), OUTBOUND_STATE_BUCKETS="96"),
    }
    base_us = drains.pop(_BASE).us_per_event
    return {name: Grown(each.us_per_event / base_us, each.memory.most_mb) for name, each in drains.items()}


def _write_histories(site: Site) -> None:
    """Give each contact a history of so many calls, behind the marks of a worker that has handled a few events."""
    few = replace(site.shape, events=_MARKING_EVENTS)
    site.write(few, prefix="before-")
    worker = site.start_worker()
    site.wait_until_handled(few.events, worker)
    worker.stop()
    asyncio.run(_write(site))


async def _write(site: Site) -> None:
    store = await connect(site.environment["OUTBOUND_REDIS_URL"], buckets=48)
    ids = [contact_id(n) for n in range(site.shape.contacts)]
    for begin in range(0, len(ids), _PORTION):
        snapshots = await store.read(dict.fromkeys(ids[begin : begin + _PORTION], ()))
        changes = [Change(id_, each.version, _history(site.shape), {}) for id_, each in snapshots.items()]
        if lost := await store.write(changes, {}):
            raise AssertionError(f"{len(lost)} contacts were written by another")
    await store.close()


_histories: dict[Load, ContactHistory] = {}


def _history(shape: Load) -> ContactHistory:
    """So many calls, one a day, in turn by each project and with each number."""
    if shape not in _histories:
        history = _histories[shape] = ContactHistory()
        for n in range(CALLS_OF_HISTORY):
            project = PROJECTS[n % len(PROJECTS)]
            history.record_call(project, f"history-{n}", number(n % shape.numbers), _FIRST_CALL_US + n * _DAY_US)
    return _histories[shape]
