"""How a bucket that lost something is noticed: on a real Redis server, on a real cluster, and on the simulated one.

That the simulation keeps to the same promises is what makes its schedules worth something.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import uuid4

import pytest

from tests.contract.test_state_store import history
from tests.simulation.points import finish
from tests.simulation.redis import BUCKETS as SIMULATED_BUCKETS
from tests.simulation.redis import Redis, SimContacts
from worker.selection.history import ContactHistory
from worker.state.buckets import bucket_of, mark_key
from worker.state.marks import NOTHING, Guard, Mark, Token
from worker.state.store import Change, Place, RedisContactStore, Snapshot, StateLostError, connect

BUCKETS: Final = SIMULATED_BUCKETS
PARTITIONS: Final = 2


class Store(Protocol):
    """What both kinds promise."""

    def guard(self, guards: Mapping[int, Mapping[int, Guard]]) -> None: ...

    async def read(self, calls: Mapping[str, Collection[str]]) -> dict[str, Snapshot]: ...

    async def write(self, changes: Sequence[Change], marks: Mapping[int, Mark | bytes]) -> set[str]: ...

    async def marks_of(self, places: Collection[Place]) -> dict[Place, bytes | None]: ...

    async def forget(
        self, places: Collection[Place], token: bytes, partitions: int, going_on: Callable[[], None]
    ) -> None: ...


class Unscheduled:
    """The simulated contacts without a scheduler: every await goes on at once."""

    def __init__(self) -> None:
        self.redis = Redis()
        self._contacts = SimContacts(self.redis)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._contacts, name)
        if name == "guard":
            return method

        async def at_once(*arguments: Any) -> Any:
            return finish(method(*arguments))

        return at_once


@pytest.fixture(params=["server", "cluster", "simulation"])
def url(request: pytest.FixtureRequest) -> str | None:
    fixtures = {"server": "clean_redis_url", "cluster": "redis_cluster_url"}
    fixture = fixtures.get(request.param)
    return None if fixture is None else str(request.getfixturevalue(fixture))


@pytest.fixture
async def store(url: str | None) -> AsyncIterator[Store]:
    if url is None:
        yield Unscheduled()
        return
    opened = await connect(url, buckets=BUCKETS, timeout_s=30)
    await opened._commands.send([("DEL", mark_key(bucket, index)) for index, bucket in ALL])  # noqa: SLF001
    yield opened
    await opened.close()


ALL: Final = [(index, bucket) for index in range(PARTITIONS) for bucket in range(index, BUCKETS, PARTITIONS)]


async def put(store: Store, marks: Mapping[Place, bytes]) -> None:
    """Let this stand where the marks are, by no way of the store's own."""
    keys = {mark_key(bucket, index): mark for (index, bucket), mark in marks.items()}
    if isinstance(store, Unscheduled):
        store.redis.values |= keys
    else:
        assert isinstance(store, RedisContactStore)
        await store._commands.send([("SET", key, mark) for key, mark in keys.items()])  # noqa: SLF001


def contact_in(bucket: int) -> str:
    return next(name for name in (f"contact-{uuid4()}" for _ in range(1_000)) if bucket_of(name, BUCKETS) == bucket)


def change(contact_id: str, version: int = 0, **replies: bytes) -> Change:
    return Change(contact_id, version, history(), replies)


async def lost(step: Awaitable[object]) -> frozenset[int]:
    with pytest.raises(StateLostError) as caught:
        await step
    return caught.value.indexes


async def test_a_mark_goes_into_every_bucket_of_its_partition_and_into_no_other(store: Store) -> None:
    store.guard({0: {0: NOTHING, 2: NOTHING}, 1: {1: NOTHING, 3: NOTHING}})
    await store.write([change(contact_in(0))], {0: Mark(3, 2, 1)})
    mark = b"3 2 1"
    assert await store.marks_of(ALL) == {(0, 0): mark, (0, 2): mark, (1, 1): None, (1, 3): None}


async def test_a_mark_never_goes_back(store: Store) -> None:
    store.guard({0: {0: NOTHING}})
    await store.write([], {0: Mark(9, 2, 7)})
    await store.write([], {0: Mark(10, 1, 8)})
    assert await store.marks_of([(0, 0)]) == {(0, 0): b"10 2 8"}


@pytest.mark.parametrize("stored", [None, b"4 9 9", b"9 4 9", b"rubbish", b"rebuilding x 0"])
async def test_a_bucket_that_does_not_show_its_mark_is_neither_read_nor_written(
    store: Store, stored: bytes | None
) -> None:
    contact = contact_in(2)
    if stored is not None:
        await put(store, {(0, 2): stored})
    store.guard({0: {0: NOTHING, 2: Mark(5, 5, 5)}, 1: {1: NOTHING}})
    assert await lost(store.read({contact: ()})) == {0}
    assert await lost(store.write([change(contact, call=b"0")], {0: Mark(6, 6, 6)})) == {0}

    store.guard({})
    assert await store.read({contact: ("call",)}) == {contact: Snapshot(ContactHistory(), 0, {})}
    assert await store.marks_of([(0, 2)]) == {(0, 2): stored}


async def test_a_bucket_that_was_not_touched_tells_when_its_mark_is_written(store: Store) -> None:
    store.guard({0: {0: NOTHING, 2: Mark(1, 1, 1)}})
    contact = contact_in(0)
    await store.read({contact: ()})
    assert await lost(store.write([change(contact)], {0: Mark(6, 6, 6)})) == {0}


async def test_where_nothing_is_expected_there_may_be_nothing_or_a_mark(store: Store) -> None:
    await put(store, {(1, 1): b"7 7 7"})
    store.guard({0: {0: NOTHING}, 1: {1: NOTHING}})
    contacts = [contact_in(0), contact_in(1)]
    await store.read(dict.fromkeys(contacts, ()))
    assert await store.write([change(each) for each in contacts], {0: Mark(1, 0, 0), 1: Mark(1, 0, 0)}) == set()


async def test_what_was_seen_must_be_there_from_then_on(store: Store) -> None:
    contact = contact_in(0)
    await put(store, {(0, 0): b"7 7 7"})
    store.guard({0: {0: NOTHING}})
    await store.read({contact: ()})
    await put(store, {(0, 0): b"6 7 7"})
    assert await lost(store.write([change(contact)], {0: Mark(8, 8, 8)})) == {0}


async def test_what_was_written_must_be_there_from_then_on(store: Store) -> None:
    contact = contact_in(0)
    store.guard({0: {0: NOTHING}})
    await store.write([], {0: Mark(8, 8, 8)})
    await put(store, {(0, 0): b"7 8 8"})
    assert await lost(store.read({contact: ()})) == {0}


async def test_a_batch_that_comes_again_does_not_lower_what_must_be_there(store: Store) -> None:
    contact = contact_in(0)
    await put(store, {(0, 0): b"3 3 3"})
    store.guard({0: {0: Mark(3, 3, 3)}})
    await store.write([], {0: Mark(1, 0, 3)})
    await put(store, {(0, 0): b"2 3 3"})
    assert await lost(store.read({contact: ()})) == {0}


async def test_where_a_token_is_asked_for_no_mark_will_do(store: Store) -> None:
    contact = contact_in(0)
    await put(store, {(0, 0): b"token 0"})
    store.guard({0: {0: Token(b"token 0", b"token 0")}})
    await store.write([change(contact)], {0: b"token 1"})
    await store.read({contact: ()})
    await put(store, {(0, 0): b"9 9 9"})
    assert await lost(store.read({contact: ()})) == {0}
    assert await lost(store.write([], {0: b"token 2"})) == {0}


async def test_a_token_whose_write_was_not_answered_may_stand_there_already(store: Store) -> None:
    contact = contact_in(0)
    await put(store, {(0, 0): b"token 1"})
    store.guard({0: {0: Token(b"token 0", b"token 1")}})
    await store.read({contact: ()})
    assert await store.write([change(contact)], {0: b"token 1"}) == set()
    assert await store.write([], {0: Mark(1, 2, 3)}) == set()
    assert await store.marks_of([(0, 0)]) == {(0, 0): b"1 2 3"}


async def test_a_token_takes_the_place_only_of_what_was_found(store: Store) -> None:
    for found in (b"", b"3 3 3", b"rubbish"):
        if found:
            await put(store, {(0, 0): found})
        store.guard({0: {0: Token(b"something else", b"token 0")}})
        assert await lost(store.write([], {0: b"token 0"})) == {0}
        store.guard({0: {0: Token(found, b"token 0")}})
        await store.write([], {0: b"token 0"})
        assert await store.marks_of([(0, 0)]) == {(0, 0): b"token 0"}


async def test_a_mark_of_a_log_that_is_gone_is_set_back(store: Store) -> None:
    await put(store, {(0, 0): b"9 9 9"})
    store.guard({0: {0: Token(b"9 9 9", b"2 1 0")}})
    await store.write([], {0: Mark(2, 1, 0)})
    assert await store.marks_of([(0, 0)]) == {(0, 0): b"2 1 0"}


async def test_a_mark_of_a_later_version_that_says_more_means_what_it_meant(store: Store) -> None:
    await put(store, {(0, 0): b"5 5 5 and more"})
    store.guard({0: {0: Mark(5, 5, 5)}})
    await store.read({contact_in(0): ()})
    await store.write([], {0: Mark(6, 4, 6)})
    assert await store.marks_of([(0, 0)]) == {(0, 0): b"6 5 6"}


async def test_marks_vouch_for_nothing_that_lost(store: Store) -> None:
    first, second = contact_in(0), contact_in(0)
    store.guard({0: {0: NOTHING, 2: NOTHING}})
    await store.write([change(first)], {0: Mark(1, 0, 0)})
    assert await store.write([change(first), change(second)], {0: Mark(2, 0, 0)}) == {first}
    marks = await store.marks_of([(0, 0), (0, 2)])
    assert marks[0, 0] == b"1 0 0"
    assert marks[0, 2] in {b"1 0 0", b"2 0 0"}  # it lost nothing, and may have come with one that did
    assert await store.write([change(first, 1)], {0: Mark(2, 0, 0)}) == set()
    assert await store.marks_of([(0, 0), (0, 2)]) == {(0, 0): b"2 0 0", (0, 2): b"2 0 0"}


async def test_a_bucket_that_lost_its_mark_holds_up_no_other(store: Store) -> None:
    lost, sound = contact_in(0), contact_in(1)
    store.guard({0: {0: Mark(5, 0, 0)}, 1: {1: NOTHING}})
    with pytest.raises(StateLostError) as caught:
        await store.write([change(lost), change(sound)], {0: Mark(6, 0, 0), 1: Mark(1, 0, 0)})
    assert caught.value.indexes == {0}
    assert (await store.read({sound: ()}))[sound].version == 1
    assert await store.marks_of([(0, 0), (1, 1)]) == {(0, 0): None, (1, 1): b"1 0 0"}


async def test_who_slept_through_a_rebuild_is_a_loser(store: Store) -> None:
    contact = contact_in(0)
    rebuilt = Change(contact, 1_700_000_000_000, history(), {}, replaces=b"")
    assert await store.write([rebuilt], {}) == set()
    assert await store.write([change(contact, 1)], {}) == {contact}
    again = Change(contact, 1_700_000_000_009, history(), {}, replaces=b"1700000000001 ")
    assert await store.write([again], {}) == set()
    assert (await store.read({contact: ()}))[contact].version == 1_700_000_000_010


async def test_contacts_are_forgotten_by_bucket_and_by_partition_index(store: Store) -> None:
    gone, other_bucket, other_index = contact_in(0), contact_in(2), contact_in(1)
    await store.write([change(each, a=b"0", b=b"1") for each in (gone, other_bucket, other_index)], {})
    await put(store, {(0, 0): b"token"})
    await store.forget([(0, 0)], b"token", PARTITIONS, lambda: None)

    read = await store.read(dict.fromkeys((gone, other_bucket, other_index), ("a", "b")))
    assert read[gone] == Snapshot(ContactHistory(), 0, {})
    for each in (other_bucket, other_index):
        assert read[each] == Snapshot(history(), 1, {"a": b"0", "b": b"1"})
    assert await store.marks_of([(0, 0)]) == {(0, 0): b"token"}


async def test_who_was_superseded_forgets_nothing(store: Store) -> None:
    contact = contact_in(0)
    await store.write([change(contact)], {})
    await put(store, {(0, 0): b"another's token"})
    assert await lost(store.forget([(0, 0)], b"token", PARTITIONS, lambda: None)) == {0}
    assert (await store.read({contact: ()}))[contact].version == 1
