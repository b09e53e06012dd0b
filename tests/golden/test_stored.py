"""The golden files as what a real Redis holds, put there by an earlier version."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from tests.golden.test_formats import GOLDEN, contact_of, files
from tests.keys import contact_key, reply_key
from worker.state.buckets import bucket_of
from worker.state.codec import encode
from worker.state.store import Change, RedisContactStore, Snapshot, connect

BUCKETS: Final = 48


def stored(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
async def redis(clean_redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(clean_redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def store(clean_redis_url: str) -> AsyncIterator[RedisContactStore]:
    store = await connect(clean_redis_url, buckets=BUCKETS, timeout_s=30)
    yield store
    await store.close()


@pytest.mark.parametrize("path", files("contacts/*.bin"))
async def test_a_contact_that_an_earlier_version_stored_is_read_and_written_on(
    path: Path, redis: Redis, store: RedisContactStore
) -> None:
    key = contact_key(bucket_of("k-77", BUCKETS), "k-77")
    await redis.set(key, stored(path))
    history, version = contact_of(path)
    found = (await store.read({"k-77": ()}))["k-77"]
    assert found == Snapshot(history, version, {})
    assert await store.write([Change("k-77", version, found.history, {})], {}) == set()
    assert await redis.get(key) == encode(history, version + 1)


@pytest.mark.parametrize("path", files("replies/*.json"))
async def test_a_reply_that_an_earlier_version_stored_is_found(
    path: Path, redis: Redis, store: RedisContactStore
) -> None:
    await redis.set(reply_key(bucket_of("k-77", BUCKETS), "k-77", "c-1001"), stored(path))
    found = (await store.read({"k-77": ["c-1001", "c-1002"]}))["k-77"]
    assert found.replies == {"c-1001": stored(path)}
    assert await store.replies_of("k-77") == found.replies


async def test_what_is_stored_stands_under_the_golden_keys(redis: Redis, store: RedisContactStore) -> None:
    keys = [each for each in json.loads(stored(GOLDEN / "keys.json")) if each["buckets"] == BUCKETS]
    for key in keys:
        await redis.set(key["contact_key"], encode(contact_of(GOLDEN / "contacts/format-1-one-call.bin")[0], 7))
        await redis.set(key["reply_key"], key["reply_key"])
    for key in keys:
        found = (await store.read({key["contact_id"]: [key["call_id"]]}))[key["contact_id"]]
        assert (found.version, found.replies) == (7, {key["call_id"]: key["reply_key"].encode()})
