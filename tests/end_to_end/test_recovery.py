"""Redis loses data, or somebody damages them: what the worker makes of it, and what `rebuild` does by hand."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from redis import Redis
from redis.cluster import RedisCluster

from tests.end_to_end.centre import HELSINKI, STOCKHOLM, TAMPERE, Centre
from tests.keys import contact_key
from tests.services.redis import RedisClusterServers, RedisServer, redis_cluster, redis_server
from worker.selection.history import ContactHistory
from worker.state.buckets import bucket_of
from worker.state.codec import decode

PARTITIONS = 4
BUCKETS = 48

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}, {{number: "{STOCKHOLM}"}}]
projects:
  - {{project_id: spring, name: Spring, numbers: ["{HELSINKI}", "{TAMPERE}", "{STOCKHOLM}"],
     selection_logic: different_number, outcomes: {{busy: "{TAMPERE}"}}}}
  - {{project_id: autumn, name: Autumn, numbers: ["{HELSINKI}", "{TAMPERE}"], keep_previous_number: true}}
"""

CONTACTS = [f"contact-{number}" for number in range(12)]


class State(NamedTuple):
    """All that is known, whatever versions it is of."""

    histories: dict[str, ContactHistory]
    others: dict[str, bytes]


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def centre(kafka_bootstrap: str, server: RedisServer, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, server.url, tmp_path)
    await centre.open(SETTINGS, partitions=PARTITIONS)
    yield centre
    await centre.close()


def values(redis: Redis | RedisCluster) -> dict[str, bytes]:
    keys: list[bytes] = sorted(redis.scan_iter(match="outbound:*", count=10_000))
    stored: dict[str, Any] = {key.decode(): redis.get(key) for key in keys}
    return stored


def state(stored: Mapping[str, bytes]) -> State:
    histories = {key: decode(value)[0] for key, value in stored.items() if ":contact:" in key}
    return State(histories, {key: value for key, value in stored.items() if ":reply:" in key})


async def some_calls(centre: Centre) -> None:
    """A few calls to each contact, by two projects, with outcomes; the last call of some has one."""
    for round_ in range(3):
        for place, contact in enumerate(CONTACTS):
            reply = await centre.call("autumn" if (place + round_) % 4 == 0 else "spring", contact)
            if (place + round_) % 3:
                await centre.outcome(reply["project_id"], contact, reply["call_id"], "busy")
    await centre.settled()


def used_partitions(centre: Centre) -> list[int]:
    """Those that have contacts: of the others nothing was ever written."""
    return sorted({record.partition for replies in centre.replies.values() for record in replies})


async def metric(centre: Centre, name: str) -> float:
    """The sum of a metric over its labels and the workers that run."""
    texts = [(await worker.get("/metrics"))[1] for worker in centre.workers if worker.process.returncode is None]
    lines = [line for text in texts for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def next_numbers(centre: Centre) -> dict[str, tuple[int, str]]:
    replies = {contact: await centre.call("spring", contact) for contact in CONTACTS}
    return {contact: (reply["attempt"], reply["rule"]) for contact, reply in replies.items()}


def expected_next(before: State, centre: Centre) -> dict[str, tuple[int, str]]:
    """By what is known of them: the next attempt of spring, and by which rule."""
    expected = {}
    for contact in CONTACTS:
        contact_id = centre.contact(contact)
        history = before.histories[contact_key(bucket_of(contact_id, BUCKETS), contact_id)]
        calls = history.projects.get("spring")
        end = calls.end if calls else None
        rule = "first_call_random" if calls is None else "outcome_number" if end else "different_number"
        expected[contact] = (history.attempts("spring") + 1, rule)
    return expected


@pytest.mark.parametrize("when", ["running", "stopped"])
async def test_a_redis_that_was_emptied_is_filled_again_before_a_call_is_answered(
    centre: Centre, server: RedisServer, when: str
) -> None:
    await some_calls(centre)
    with Redis.from_url(server.url) as redis:
        before = state(values(redis))
        if when == "stopped":
            assert await centre.workers[0].stop() == 0
        redis.flushall()
        if when == "stopped":
            await centre.start_worker()
        first = await centre.call("spring", CONTACTS[0])
        assert (first["attempt"], first["rule"]) == expected_next(before, centre)[CONTACTS[0]]
        [lost] = await centre.workers[-1].logged("state_lost")
        # All of them, also one that no contact fell into: that others had calls, and it has no mark, is a loss.
        assert lost["partitions"] == list(range(PARTITIONS))
        assert lost["buckets_wholly"] == BUCKETS
        assert await metric(centre, "outbound_state_losses_total") == lost["buckets_wholly"]
        [rebuilt] = await centre.workers[-1].logged("state_rebuilt")
        assert await metric(centre, "outbound_rebuild_records_total") == rebuilt["records"] > len(CONTACTS)
        after = state(values(redis))
    changed = contact_key(bucket_of(first["contact_id"], BUCKETS), first["contact_id"])
    assert after.histories.keys() == before.histories.keys()
    for key, history in before.histories.items():
        if key != changed:
            assert after.histories[key] == history
    assert after.others.items() >= before.others.items()


@pytest.mark.parametrize("when", ["running", "stopped"])
async def test_a_redis_that_lost_its_last_second_gets_it_back(centre: Centre, server: RedisServer, when: str) -> None:
    await some_calls(centre)
    with Redis.from_url(server.url) as redis:
        older = {key: (redis.dump(key), max(redis.pttl(key), 0)) for key in values(redis)}
        await some_calls(centre)
        before = state(values(redis))
        if when == "stopped":
            assert await centre.workers[0].stop() == 0
        with redis.pipeline() as all_at_once:  # as after a crash: some earlier moment, whole
            all_at_once.flushall()
            for key, (dumped, ttl_ms) in older.items():
                all_at_once.restore(key, ttl_ms, dumped or b"")
            all_at_once.execute()
        if when == "stopped":
            await centre.start_worker()
        assert await next_numbers(centre) == expected_next(before, centre)
        [lost] = await centre.workers[-1].logged("state_lost")
        buckets = BUCKETS // PARTITIONS * len(used_partitions(centre))
        assert (lost["buckets_wholly"], lost["buckets_at_their_end"]) == (0, buckets)
        after = state(values(redis))
    assert after.histories.keys() == before.histories.keys()
    assert after.others.items() >= before.others.items()


async def test_what_a_killed_rebuild_left_behind_is_of_no_account(centre: Centre, server: RedisServer) -> None:
    await some_calls(centre)
    with Redis.from_url(server.url) as redis:
        before = state(values(redis))
        await centre.workers[0].stop()
        for key in values(redis):
            if ":mark:" in key:
                redis.set(key, "rebuilding somebody's 7")
            elif ":contact:" in key:
                redis.set(key, b"1" + (redis.get(key) or b"")[1:])  # half a life that somebody began to build
        await centre.start_worker()
        await centre.settled()
        assert state(values(redis)) == before


async def test_a_cluster_that_lost_a_shard_gets_it_back(kafka_bootstrap: str, tmp_path: Path) -> None:
    with redis_cluster() as cluster:
        centre = Centre(kafka_bootstrap, cluster.url, tmp_path)
        await centre.open(SETTINGS, partitions=PARTITIONS)
        try:
            await some_calls(centre)
            await lose_a_shard(cluster, centre)
        finally:
            await centre.close()


async def lose_a_shard(cluster: RedisClusterServers, centre: Centre) -> None:
    with RedisCluster.from_url(cluster.url) as redis:
        before = state(values(redis))
        node = cluster.nodes[1]
        with node.client() as client:
            here = sum(":mark:" in key for key in client.scan_iter(match="outbound:*", count=10_000))
            client.flushall()
        assert await next_numbers(centre) == expected_next(before, centre)
        losses = [line for worker in centre.workers for line in await worker.logged("state_lost")]
        assert sum(line["buckets_wholly"] for line in losses) == here
        assert 0 < here < BUCKETS
        after = state(values(redis))
    assert after.histories.keys() == before.histories.keys()
    assert after.others.items() >= before.others.items()


async def test_damaged_state_of_a_contact_is_rebuilt_and_not_trusted(centre: Centre, server: RedisServer) -> None:
    await some_calls(centre)
    contact_id = centre.contact(CONTACTS[1])
    key = contact_key(bucket_of(contact_id, BUCKETS), contact_id)
    with Redis.from_url(server.url) as redis:
        before = state(values(redis))
        redis.set(key, b"9 \x01what is this")
        reply = await centre.call("spring", CONTACTS[1])
        assert (reply["attempt"], reply["rule"]) == expected_next(before, centre)[CONTACTS[1]]
        assert await centre.workers[0].logged("damaged_state_rebuilt")
        assert await centre.call("spring", CONTACTS[1])  # and by then the batch before it is counted
        assert await metric(centre, "outbound_damaged_contacts_total") == 1


async def test_state_of_a_newer_format_is_left_alone_and_its_contact_is_answered_with_why(
    centre: Centre, server: RedisServer
) -> None:
    contact_id = centre.contact("from the future")
    key = contact_key(bucket_of(contact_id, BUCKETS), contact_id)
    newer = b"7 \x63a format of tomorrow"
    with Redis.from_url(server.url) as redis:
        redis.set(key, newer)
        reply = await centre.call("spring", "from the future")
        assert (reply["type"], reply["reason"]) == ("assignment-rejected", "no_number_available")
        assert "upgrade" in reply["detail"]
        await centre.outcome("spring", "from the future", "some call", "busy")
        assert (await centre.call("spring", "another"))["attempt"] == 1
        await centre.settled()
        assert redis.get(key) == newer
        letters = await centre.workers[0].logged("dead_letter")
        assert {letter["topic"] for letter in letters} == {centre.topic("call-requested"), centre.topic("call-outcome")}
        assert all("format 99" in letter["error"] for letter in letters)
    refused = centre.command("rebuild", "--contact", contact_id)
    assert (refused.returncode, "left alone" in refused.stderr) == (1, True)


# By hand


async def test_one_contact_is_rebuilt_beside_the_workers(centre: Centre, server: RedisServer) -> None:
    await some_calls(centre)
    contact_id = centre.contact(CONTACTS[3])
    key = contact_key(bucket_of(contact_id, BUCKETS), contact_id)
    with Redis.from_url(server.url) as redis:
        good = state(values(redis))
        assert "They are the same." in centre.done("rebuild", "--contact", contact_id, "--dry-run")

        redis.set(key, b"9 \x01what is this")
        told = centre.done("rebuild", "--contact", contact_id, "--dry-run")
        assert "cannot be used" in told
        assert "Nothing was written" in told
        assert redis.get(key) == b"9 \x01what is this"
        explained = centre.command("explain", contact_id)
        assert (explained.returncode, "rebuild --contact" in explained.stderr) == (1, True)

        told = centre.done("rebuild", "--contact", contact_id)
        assert "Project spring" in told
        assert state(values(redis)) == good


async def test_partitions_are_rebuilt_when_no_worker_runs(centre: Centre, server: RedisServer) -> None:
    await some_calls(centre)
    refused = centre.command("rebuild", "--all")
    assert (refused.returncode, "stop them first" in refused.stderr) == (1, True)
    await centre.workers[0].stop()
    with Redis.from_url(server.url) as redis:
        good = state(values(redis))
        spoil(redis, good)
        spoiled = values(redis)
        assert "nothing written" in centre.done("rebuild", "--all", "--dry-run")
        assert values(redis) == spoiled

        centre.done("rebuild", "--partition", "1", "--partition", "2")
        halfway = state(values(redis)).histories
        for key, history in good.histories.items():
            is_rebuilt = int(key.split("{")[1].split("}")[0]) % PARTITIONS in {1, 2}
            assert (halfway[key] == history) is is_rebuilt

        assert "state rebuilt" in centre.done("rebuild", "--all")
        assert state(values(redis)) == good
    await centre.start_worker()
    assert not [line for line in centre.workers[-1].log_lines() if line["event"] == "state_lost"]
    assert await next_numbers(centre) == expected_next(good, centre)


def spoil(redis: Redis, good: State) -> None:
    for key in good.histories:
        redis.set(key, b"3 \x01\x94\xc0\x80\x80\x90")  # a history that is empty


async def test_what_the_logs_no_longer_hold_is_said(centre: Centre, server: RedisServer, kafka_bootstrap: str) -> None:
    await some_calls(centre)
    ends = Counter(record.partition for replies in centre.replies.values() for record in replies)
    gone = {TopicPartition(centre.topic("number-assigned"), index): end // 2 for index, end in ends.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_records({tp: RecordsToDelete(before_offset=offset) for tp, offset in gone.items()})
    await admin.close()
    with Redis.from_url(server.url) as redis:
        redis.flushall()
        before = await centre.call("spring", CONTACTS[0])
    [incomplete] = await centre.workers[0].logged("history_incomplete")
    assert incomplete["records_gone"] == sum(gone.values())
    assert before["attempt"] > 1  # a reply says which attempt it was, so the count survives those that are gone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--contact ID, --partition N, or --all"),
        (["--all", "--partition", "1"], "--contact ID, --partition N, or --all"),
        (["--partition", "99"], "partitions 0 to 3"),
    ],
)
async def test_wrong_use_is_refused(centre: Centre, arguments: list[str], words: str) -> None:
    result = centre.command("rebuild", *arguments)
    assert (result.returncode, words in result.stderr) == (2, True), result.stderr
