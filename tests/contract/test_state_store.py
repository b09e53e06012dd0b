"""What the worker asks of its contact store, on one real Redis server and on a real Redis Cluster."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final, TypeAlias
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.keys import contact_key, reply_key
from tests.services.redis import RedisServer, redis_cluster, redis_server
from worker.selection.history import CallEnd, ContactHistory
from worker.state.buckets import bucket_of
from worker.state.store import (
    Change,
    DamagedStateError,
    NewerFormatError,
    RedisContactStore,
    RedisUnavailableError,
    Snapshot,
    connect,
)

BUCKETS: Final = 48
RETENTION_S: Final = 400 * 86_400
REPLY_RETENTION_S: Final = 86_400

Client: TypeAlias = Redis | RedisCluster

HOSTILE_IDS: Final = [
    "{}",
    "}{17}",
    "outbound:{1}:contact:x",
    "a:b",
    "a:b:c",
    "line\nbreak",
    "nul\0nul",
    "*",
    "a?[b-c]\\",
    "a space",
    "Ärjä 🦉 東京",
    "'; DROP",
    "0",
    "x" * 1_000,
    "🦉" * 1_000,
]


@pytest.fixture(scope="module", params=["server", "cluster"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def url(mode: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"server": "redis_url", "cluster": "redis_cluster_url"}[mode]))


@pytest.fixture(scope="module")
async def store(url: str) -> AsyncIterator[RedisContactStore]:
    opened = await connect(
        url, buckets=BUCKETS, retention_s=RETENTION_S, reply_retention_s=REPLY_RETENTION_S, timeout_s=30
    )
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def other(url: str) -> AsyncIterator[RedisContactStore]:
    """A second replica's store: connections of its own."""
    opened = await connect(url, buckets=BUCKETS, timeout_s=30)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def redis(mode: str, url: str) -> AsyncIterator[Client]:
    """A client of the tests' own, to look behind the store."""
    client: Client = RedisCluster.from_url(url) if mode == "cluster" else Redis.from_url(url)
    yield client
    await client.aclose()


@pytest.fixture
def contact() -> str:
    return f"contact-{uuid4()}"


def history(number: str = "+358912345678", *, attempts: int = 1) -> ContactHistory:
    made = ContactHistory()
    for attempt in range(attempts):
        made.record_call("spring", f"call-{attempt}", number, 1_000_000 * attempt)
    made.record_outcome("spring", f"call-{attempts - 1}", CallEnd("busy", None, 2_000_000 * attempts))
    return made


async def snapshot(store: RedisContactStore, contact_id: str, call_ids: Iterable[str] = ()) -> Snapshot:
    return (await store.read({contact_id: list(call_ids)}))[contact_id]


async def test_what_is_written_is_read(store: RedisContactStore, contact: str) -> None:
    change = Change(contact, 0, history(), {"call-0": b'{"number": 1}', "call-1": b"\x00\xff", "call-2": b""})

    assert await store.write([change], {}) == set()

    read = await snapshot(store, contact, ["call-0", "call-1", "call-2"])
    assert read == Snapshot(history(), 1, change.replies)


async def test_an_absent_contact_is_an_empty_history_of_version_0(store: RedisContactStore, contact: str) -> None:
    assert await store.read({contact: ["call-0"]}) == {contact: Snapshot(ContactHistory(), 0, {})}


async def test_only_the_replies_asked_for_are_read(store: RedisContactStore, contact: str) -> None:
    await store.write([Change(contact, 0, history(), {"call-0": b"0", "call-1": b"1"})], {})

    assert (await snapshot(store, contact, ["call-1", "call-9"])).replies == {"call-1": b"1"}
    assert (await snapshot(store, contact)).replies == {}


async def test_nothing_asked_is_nothing_answered(store: RedisContactStore) -> None:
    assert await store.read({}) == {}
    assert await store.write([], {}) == set()


async def test_each_write_needs_the_version_of_the_one_before(store: RedisContactStore, contact: str) -> None:
    for version in range(12):  # past 9, where the version gets a digit longer
        assert (await snapshot(store, contact)).version == version
        assert await store.write([Change(contact, version, history(attempts=version + 1), {})], {}) == set()

    assert await snapshot(store, contact) == Snapshot(history(attempts=12), 12, {})


@pytest.mark.parametrize("version_read", [0, 1, 2, 9, 10, 12, 110])
async def test_of_a_loser_nothing_is_written(store: RedisContactStore, contact: str, version_read: int) -> None:
    for version in range(11):
        await store.write([Change(contact, version, history(), {})], {})

    late = Change(contact, version_read, history("+358331234567", attempts=3), {"late": b"late"})

    assert await store.write([late], {}) == {contact}
    assert await snapshot(store, contact, ["late"]) == Snapshot(history(), 11, {})


async def test_a_contact_that_is_gone_is_lost_by_who_has_read_it(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    await store.write([Change(contact, 0, history(), {})], {})
    await redis.delete(contact_key(bucket_of(contact, BUCKETS), contact))

    assert await store.write([Change(contact, 1, history(attempts=2), {"call-1": b"1"})], {}) == {contact}
    assert await snapshot(store, contact, ["call-1"]) == Snapshot(ContactHistory(), 0, {})


async def test_a_loss_touches_no_other_contact(store: RedisContactStore, contact: str) -> None:
    contacts = [f"{contact}-{index}" for index in range(200)]  # several in each bucket
    await store.write([Change(each, 0, history(), {}) for each in contacts], {})
    overtaken = set(contacts[::3])
    await store.write([Change(each, 1, history(attempts=2), {}) for each in overtaken], {})

    replies = {"call-5": b"5", "call-6": b"6"}
    changes = [
        Change(each, 1, history(attempts=3), dict(list(replies.items())[: index % 3]))
        for index, each in enumerate(contacts)
    ]
    assert await store.write(changes, {}) == overtaken

    read = await store.read({each: list(replies) for each in contacts})
    for change in changes:
        lost = change.contact_id in overtaken
        expected = Snapshot(history(attempts=2 if lost else 3), 2, {} if lost else change.replies)
        assert read[change.contact_id] == expected


async def test_a_write_that_arrives_twice_loses_and_finds_itself(store: RedisContactStore, contact: str) -> None:
    change = Change(contact, 0, history(), {"call-0": b"decided"})
    await store.write([change], {})

    assert await store.write([change], {}) == {contact}
    assert await snapshot(store, contact, ["call-0"]) == Snapshot(history(), 1, {"call-0": b"decided"})


async def _count_calls(store: RedisContactStore, writer: str, contacts: list[str], rounds: int) -> Counter[str]:
    """Read and write all contacts as a replica does; give the calls that were counted, by contact."""
    won: Counter[str] = Counter()
    for index in range(rounds):
        call_id = f"{writer}-{index}"
        read = await store.read({each: [call_id] for each in contacts})
        changes = []
        for contact_id, found in read.items():
            found.history.record_call("spring", call_id, "+358912345678", index)
            changes.append(Change(contact_id, found.version, found.history, {call_id: call_id.encode()}))
        won.update(set(contacts) - await store.write(changes, {}))
    return won


async def test_of_two_writers_at_once_each_contact_takes_one(
    store: RedisContactStore, other: RedisContactStore, contact: str
) -> None:
    contacts = [f"{contact}-{index}" for index in range(60)]
    rounds = 100

    one, two = await asyncio.gather(
        _count_calls(store, "one", contacts, rounds), _count_calls(other, "two", contacts, rounds)
    )

    wins = one + two
    assert wins.total() < 2 * rounds * len(contacts), "the writers never met: this run has shown nothing"
    read = await store.read({each: [f"{w}-{i}" for w in ("one", "two") for i in range(rounds)] for each in contacts})
    for contact_id, found in read.items():
        assert found.history.attempts("spring") == found.version == len(found.replies) == wins[contact_id]


async def test_ids_of_any_kind_are_kept_apart(store: RedisContactStore, contact: str) -> None:
    contacts = [f"{contact}{hostile}" for hostile in HOSTILE_IDS] + [f"{hostile}{contact}" for hostile in HOSTILE_IDS]
    changes = [
        Change(each, 0, history(f"+{number}"), {call_id: f"{each}|{call_id}".encode() for call_id in HOSTILE_IDS})
        for number, each in enumerate(contacts, start=10)
    ]

    assert await store.write(changes, {}) == set()

    read = await store.read(dict.fromkeys(contacts, HOSTILE_IDS))
    assert read == {change.contact_id: Snapshot(change.history, 1, change.replies) for change in changes}
    for change in changes:
        assert await store.replies_of(change.contact_id) == change.replies


async def test_ids_that_cut_alike_are_kept_apart(store: RedisContactStore, contact: str) -> None:
    await store.write([Change(contact, 0, history(), {"a:b": b"one"})], {})
    await store.write([Change(f"{contact}:a", 0, history(), {"b": b"two"})], {})

    assert await store.replies_of(contact) == {"a:b": b"one"}
    assert await store.replies_of(f"{contact}:a") == {"b": b"two"}


async def test_a_contact_and_its_replies_have_their_retention(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    await store.write([Change(contact, 0, history(), {"call-0": b"0"})], {})
    bucket = bucket_of(contact, BUCKETS)
    minute_ms = 60_000

    contact_ms = await redis.pttl(contact_key(bucket, contact))
    reply_ms = await redis.pttl(reply_key(bucket, contact, "call-0"))

    assert RETENTION_S * 1_000 - minute_ms < contact_ms <= RETENTION_S * 1_000
    assert REPLY_RETENTION_S * 1_000 - minute_ms < reply_ms <= REPLY_RETENTION_S * 1_000


async def test_a_write_renews_the_retention_of_the_contact(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    key = contact_key(bucket_of(contact, BUCKETS), contact)
    await store.write([Change(contact, 0, history(), {})], {})
    await redis.pexpire(key, 600_000)

    await store.write([Change(contact, 1, history(), {})], {})

    assert await redis.pttl(key) > 600_000


async def test_a_server_that_forgot_the_script_is_sent_it_again(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    contacts = [f"{contact}-{index}" for index in range(100)]
    await store.write([Change(each, 0, history(), {}) for each in contacts], {})
    await redis.script_flush()

    changes = [Change(each, 1, history(attempts=2), {"call-1": each.encode()}) for each in contacts]
    assert await store.write(changes, {}) == set()

    read = await store.read({each: ["call-1"] for each in contacts})
    assert read == {each: Snapshot(history(attempts=2), 2, {"call-1": each.encode()}) for each in contacts}


async def test_a_batch_of_3_000_contacts_is_written_and_read(store: RedisContactStore, contact: str) -> None:
    changes = [
        Change(f"{contact}-{index}", 0, history(attempts=1 + index % 3), {f"call-{index}": b"%d" % index})
        for index in range(3_000)
    ]

    assert await store.write(changes, {}) == set()

    read = await store.read({change.contact_id: list(change.replies) for change in changes})
    assert read == {change.contact_id: Snapshot(change.history, 1, change.replies) for change in changes}


async def test_the_replies_still_kept_are_all_found(store: RedisContactStore, redis: Client, contact: str) -> None:
    replies = {f"call-{index:04}": b"%d" % index for index in range(1_500)}
    await store.write([Change(contact, 0, history(), replies)], {})
    await redis.delete(reply_key(bucket_of(contact, BUCKETS), contact, "call-0700"))

    found = await store.replies_of(contact)

    assert list(found.items()) == [(call_id, reply) for call_id, reply in replies.items() if call_id != "call-0700"]


async def test_a_contact_without_replies_has_none(store: RedisContactStore, contact: str) -> None:
    assert await store.replies_of(contact) == {}


async def test_all_keys_of_a_contact_are_in_the_slot_of_its_bucket(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    hostile = f"{{a}}{contact}{{b}}"
    await store.write([Change(hostile, 0, history(), {"{c}": b"0"})], {})

    keys = [key async for key in redis.scan_iter(match=f"*{contact}*", count=1_000)]

    assert len(keys) == 2
    assert {key_slot(key) for key in keys} == {key_slot(b"%d" % bucket_of(hostile, BUCKETS))}


@pytest.mark.parametrize(
    ("stored", "error"),
    [(b"not a state", DamagedStateError), (b"1 \x01cut short", DamagedStateError), (b"1 \x03new", NewerFormatError)],
)
async def test_state_that_cannot_be_used_is_said_without_naming_the_contact(
    store: RedisContactStore, redis: Client, contact: str, stored: bytes, error: type[Exception]
) -> None:
    bucket = bucket_of(contact, BUCKETS)
    await redis.set(contact_key(bucket, contact), stored)

    read = await snapshot(store, contact)

    assert type(read.fault) is error
    assert contact not in str(read.fault)
    assert (read.history, read.stored) == (ContactHistory(), stored)


async def test_damaged_state_is_replaced_if_it_is_still_what_was_read(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    key = contact_key(bucket_of(contact, BUCKETS), contact)
    await redis.set(key, b"not a state, yet long")
    change = Change(
        contact, 1_700_000_000_000, history(), {"a": b"0"}, replaces=(await snapshot(store, contact)).stored
    )

    await redis.set(key, b"another")
    assert await store.write([change], {}) == {contact}

    await redis.set(key, b"not a state, yet long")
    assert await store.write([change], {}) == set()
    assert await snapshot(store, contact, ["a"]) == Snapshot(history(), 1_700_000_000_001, {"a": b"0"})


async def test_old_replies_are_kept_for_what_is_left_of_their_time(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    hour_ms = 3_600_000
    await store.write([Change(contact, 0, history(), {"a": b"0"}, replies_age_ms=20 * hour_ms)], {})
    bucket = bucket_of(contact, BUCKETS)
    assert 3 * hour_ms < await redis.pttl(reply_key(bucket, contact, "a")) <= 4 * hour_ms
    # The contact is kept as if it were news: its time is the dialer's, which may be any.
    assert RETENTION_S * 1_000 - hour_ms < await redis.pttl(contact_key(bucket, contact)) <= RETENTION_S * 1_000

    await store.write([Change(contact, 1, history(), {"b": b"0"}, replies_age_ms=10**12)], {})
    assert await redis.pttl(reply_key(bucket, contact, "b")) in {-2, 0, 1}  # gone, or as good as


async def test_a_key_of_another_type_is_an_absent_contact_to_read_and_write(
    store: RedisContactStore, redis: Client, contact: str
) -> None:
    await redis.hset(contact_key(bucket_of(contact, BUCKETS), contact), "field", "value")

    assert (await snapshot(store, contact)).version == 0
    assert await store.write([Change(contact, 1, history(), {})], {}) == {contact}
    assert await store.write([Change(contact, 0, history(), {})], {}) == set()
    assert await snapshot(store, contact) == Snapshot(history(), 1, {})


async def test_a_batch_costs_few_commands(store: RedisContactStore, redis: Client, contact: str) -> None:
    contacts = [f"{contact}-{index}" for index in range(100)]
    used = len({bucket_of(each, BUCKETS) for each in contacts})
    await store.write([Change(each, 0, history(), {}) for each in contacts], {})  # every server knows the script

    before = await _calls(redis)
    await store.read({each: ["call-0", "call-1"] for each in contacts})
    after_read = await _calls(redis)
    await store.write([Change(each, 1, history(), {"call-0": b"0"}) for each in contacts], {})
    after_write = await _calls(redis)

    assert used < len(contacts)
    on_cluster = isinstance(redis, RedisCluster)
    assert _outside_scripts(after_read - before) == {"mget": used if on_cluster else 1}
    assert _outside_scripts(after_write - after_read) == {"evalsha": used if on_cluster else ceil(used / 32)}


async def _calls(redis: Client) -> Counter[str]:
    """How often each command was called, over all servers."""
    if isinstance(redis, RedisCluster):
        answers = await redis.info("commandstats", target_nodes=RedisCluster.PRIMARIES)
        nodes = list(answers.values())
    else:
        nodes = [await redis.info("commandstats")]
    calls: Counter[str] = Counter()
    for stats in nodes:
        calls.update({name.removeprefix("cmdstat_"): of["calls"] for name, of in stats.items()})
    return calls


def _outside_scripts(calls: Counter[str]) -> dict[str, int]:
    """Calls that came over the network: commands within a script are counted too, and so is the looking itself."""
    return {name: count for name, count in calls.items() if name not in {"getrange", "set", "info"}}


async def test_a_store_that_answers_can_be_pinged(store: RedisContactStore) -> None:
    await store.ping()


async def test_a_user_that_is_not_known_is_refused_with_the_mend(url: str) -> None:
    with pytest.raises(RedisUnavailableError, match="OUTBOUND_REDIS_PASSWORD") as caught:
        await connect(url, buckets=BUCKETS, username="nobody", password="s3cret")  # noqa: S106 - of nobody

    assert "s3cret" not in str(caught.value)


@contextmanager
def _servers_of_its_own(mode: str) -> Iterator[list[RedisServer]]:
    if mode == "cluster":
        with redis_cluster() as cluster:
            yield list(cluster.nodes)
    else:
        with redis_server() as server:
            yield [server]


@pytest.mark.parametrize("mode", ["server", "cluster"])
async def test_an_outage_is_one_kind_of_error_whatever_is_asked(mode: str) -> None:
    with _servers_of_its_own(mode) as servers:
        store = await connect(servers[0].url, buckets=BUCKETS)
        contacts = [f"contact-{index}" for index in range(100)]
        await store.write([Change(each, 0, history(), {}) for each in contacts], {})
        for server in servers:
            server.kill()

        for _ in range(2):  # when it begins, and while it lasts
            with pytest.raises(RedisConnectionError):
                await store.read(dict.fromkeys(contacts, ()))
            with pytest.raises(RedisConnectionError):
                await store.write([Change(each, 1, history(), {}) for each in contacts], {})
            with pytest.raises(RedisConnectionError):
                await store.replies_of(contacts[0])
            with pytest.raises(RedisConnectionError):
                await store.ping()
        await store.close()
