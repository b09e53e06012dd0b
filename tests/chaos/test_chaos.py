"""Nothing lost, nothing twice, nothing wrong, while brokers, Redis, the network and the replicas fail in turn."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.dialer import PARTITIONS, Calling, Dialer
from tests.chaos.faults import Stage, befall, excuse
from tests.chaos.fleet import Fleet, Place, all_places, door
from tests.chaos.judge import Excuse, Run, complaints, counts
from tests.chaos.logs import read_log, uncommitted
from tests.chaos.plan import SESSION_TIMEOUT_S, Fault, full_plan, short_plan
from tests.chaos.proxy import Network
from tests.chaos.report import Episode, say, summary
from tests.chaos.watch import PATIENCE_S, Watch
from tests.end_to_end.campaigns import SETTINGS
from tests.end_to_end.centre import Centre
from tests.services.kafka_cluster import NODES, kafka_cluster
from tests.services.redis import redis_server
from worker.settings.file import load
from worker.state.store import connect

SEED: Final = int(os.environ.get("CHAOS_SEED", "20261124"))
SECONDS: Final = float(os.environ.get("CHAOS_SECONDS", "0"))

ASKED_OF_THE_DIALER: Final = ("requests", "outcomes", "records that do not fit", "calls asked for again")

SHOWN: Final = 40
"""Complaints that are shown; one cause often has many."""

CALM_S: Final = 1.0
"""Between two faults."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        places = [Place(number, [], network.link(0)) for number in all_places()]
        doors = {door(place.number): place for place in places}

        def lead(door: str, port: int) -> int:
            link = network.link(port)
            doors[door].kafka.append(link)
            return link.port

        redis = stack.enter_context(redis_server(keeps_data=True))
        for place in places:
            place.redis = network.link(redis.port)
        cluster = stack.enter_context(kafka_cluster(list(doors), lead))
        session_timeout_ms = str(round(SESSION_TIMEOUT_S * 1_000))
        centre = Centre(cluster.bootstrap, redis.url, tmp_path, OUTBOUND_SESSION_TIMEOUT_MS=session_timeout_ms)
        yield Stage(
            cluster=cluster,
            redis=redis,
            fleet=Fleet(centre, cluster, places),
            replies=centre.topic("number-assigned"),
            group_id=centre.name,
        )


async def test_every_promise_holds_while_everything_fails_in_turn(stage: Stage) -> None:
    plan = full_plan(SEED, SECONDS) if SECONDS else short_plan(SEED)
    say(f"\nCHAOS_SEED={SEED}: {len(plan)} faults: {', '.join(map(str, plan))}")
    centre = stage.fleet.centre
    centre.done("topics", "create", "--partitions", str(PARTITIONS), "--replication-factor", str(NODES))
    centre.apply(SETTINGS)
    try:
        with Watch(stage.cluster.bootstrap, stage.replies) as watch:
            calling = Calling(bootstrap=stage.cluster.bootstrap, topic=centre.topic, asked=watch.asked)
            dialer = Dialer(calling, centre.name, SEED)
            episodes = await _run(stage, plan, dialer, watch)
        run = await _gather(stage, dialer, episodes)
    finally:
        await centre.close()
    batches = stage.fleet.batches()
    found = {
        **counts(run),
        "conflicts": sum(batch["conflicts"] for batch in batches),
        "redeliveries not published again": sum(batch["not_repeated"] for batch in batches),
    }
    say(summary(found, episodes))
    wrong = [*stage.fleet.wrong, *complaints(run)]
    replay = f"replay it: CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:.0f}; the workers' logs are in {centre.folder}"
    assert not wrong, "\n".join([f"{len(wrong)} promises broken:", *wrong[:SHOWN], replay])
    assert [name for name in ASKED_OF_THE_DIALER if not found[name]] == []


async def _run(stage: Stage, plan: Sequence[Fault], dialer: Dialer, watch: Watch) -> list[Episode]:
    """One replica, then three under faults, then one again; all of it under traffic, and until all is committed."""
    fleet, episodes = stage.fleet, []
    listening = asyncio.create_task(fleet.listen(), name="listening")
    dialing = asyncio.create_task(dialer.dial(), name="dialer")
    try:
        await fleet.start(0)
        assert await watch.caught_up(), "a single replica does not answer"
        await fleet.start(1, 2)
        for fault in plan:
            episodes.append(await _episode(stage, fault, watch))
            say(f"  {episodes[-1]}")
            await fleet.replace_ended()
            if dialing.done():
                dialing.result()
            await asyncio.sleep(CALM_S)
        await fleet.stop(1, 2)
        dialer.stop()
        await dialing
        assert await watch.caught_up(), f"requests without a reply: {sorted(watch.open)[:20]}"
        await _all_committed(stage)
        await fleet.stop(0)
    finally:
        dialer.stop()
        listening.cancel()
        await asyncio.gather(listening, dialing, return_exceptions=True)
    return episodes


async def _episode(stage: Stage, fault: Fault, watch: Watch) -> Episode:
    began_s = time.time()
    partitions = await befall(stage, fault)
    mended_s = time.time()
    assert await watch.caught_up(), f"after {fault}, requests without a reply: {sorted(watch.open)[:20]}"
    recovered_s = time.time()
    return Episode(
        fault=fault,
        partitions=frozenset(partitions),
        began_s=began_s,
        mended_s=mended_s,
        recovered_s=recovered_s,
        stalled_s=watch.stalled_s(began_s, recovered_s),
        waited_s=watch.waited_s(began_s, recovered_s),
    )


async def _all_committed(stage: Stage) -> None:
    """Wait until the group has committed both logs whole."""
    centre = stage.fleet.centre
    topics = [centre.topic("call-requested"), centre.topic("call-outcome")]
    deadline_s = time.monotonic() + PATIENCE_S
    while behind := await asyncio.to_thread(uncommitted, stage.cluster.bootstrap, stage.group_id, topics):
        assert time.monotonic() < deadline_s, behind


async def _gather(stage: Stage, dialer: Dialer, episodes: Sequence[Episode]) -> Run:
    centre, bootstrap = stage.fleet.centre, stage.cluster.bootstrap
    topics = ("call-requested", "call-outcome", "number-assigned", "dead-letters")
    requests, outcomes, replies, letters = [
        await asyncio.to_thread(read_log, bootstrap, centre.topic(topic)) for topic in topics
    ]
    return Run(
        settings=load(centre.folder / "settings.yaml").records,
        requests=requests,
        outcomes=outcomes,
        replies=replies,
        replies_committed=await asyncio.to_thread(read_log, bootstrap, stage.replies, "read_committed"),
        letters=letters,
        attempts=await _attempts(stage.redis.url, dialer.contacts),
        excuses=[
            Excuse(kind, episode.partitions, episode.began_s * 1_000, episode.recovered_s * 1_000)
            for episode in episodes
            if (kind := excuse(episode.fault.kind))
        ],
        waits_exceeded=sum(stage.fleet.waits_exceeded.values()),
    )


async def _attempts(redis_url: str, contacts: Sequence[str]) -> dict[tuple[str, str], int]:
    store = await connect(redis_url, buckets=48)
    try:
        snapshots = await store.read(dict.fromkeys(contacts, ()))
    finally:
        await store.close()
    return {
        (contact_id, project_id): calls.attempts
        for contact_id, snapshot in snapshots.items()
        for project_id, calls in snapshot.history.projects.items()
    }
