"""Records as no well-behaved producer writes them, on a real Kafka: read, dead-lettered, and in nobody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer import fetcher

from tests.integration.test_intake import PATIENCE_S, connection, group, handed_out, joined, producer, values
from tests.integration.test_publisher import BROKER_LIMIT, Record, read
from tests.odd_records import OddBatch, send_odd
from worker.stream import intake as intake_module
from worker.stream import settings_topic
from worker.stream.connection import KafkaConnection
from worker.stream.publisher import Publisher
from worker.stream.reader import read_to_end
from worker.stream.records import DeadLetter, Outbox
from worker.stream.replies import published_offsets
from worker.stream.settings_topic import SettingsFollower, read_settings
from worker.stream.topics import CallTopics
from worker.stream.unpacking import UnreadableBatchError, key_bytes

__all__ = ["connection", "group", "producer"]  # fixtures

LATIN_1 = "käyttäjä".encode("latin-1")
ODD_HEADERS = [(LATIN_1, b"1"), (b"trace", None), (b"\xed\xb2\x80", b"\xff"), (b"\x00\x00\x00", b"")]


def odd(key: bytes | None = b"k", value: bytes | None = b"odd") -> OddBatch:
    batch = OddBatch()
    batch.add(key, value, ODD_HEADERS)
    return batch


def header_bytes(record: Any) -> list[tuple[bytes, bytes | None]]:
    return [(key_bytes(name), value) for name, value in record.headers]


async def test_odd_headers_hold_up_neither_their_partition_nor_the_others(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer, kafka_bootstrap: str
) -> None:
    async with joined(connection, topics, group) as intake:
        for partition in (2, 5):
            await producer.send_and_wait(topics.call_requested, b"before", partition=partition)
        await send_odd(kafka_bootstrap, topics.call_requested, 2, odd())
        for partition in (2, 5):
            await producer.send_and_wait(topics.call_requested, b"after", partition=partition)
        records = await handed_out(intake, 5)
    assert values([record for record in records if record.partition == 2]) == [b"before", b"odd", b"after"]
    assert [header_bytes(record) for record in records if record.value == b"odd"] == [ODD_HEADERS]


async def test_a_dead_letter_has_the_headers_of_its_record_byte_for_byte(
    connection: KafkaConnection, topics: CallTopics, group: str, kafka_bootstrap: str
) -> None:
    await send_odd(kafka_bootstrap, topics.call_requested, 2, odd(None, b"\xff"))
    publisher = Publisher(connection, topics, max_request_size=BROKER_LIMIT)
    async with joined(connection, topics, group) as intake:
        (record,) = await handed_out(intake, 1)
    await publisher.publish(Outbox([], [DeadLetter(record, "VALUE_CONVERTER", "Error", "why")]))
    await publisher.stop()
    (letter,) = await read(connection, topics.dead_letters)
    assert (letter.key, letter.value) == (None, b"\xff")
    assert header_bytes(letter)[: len(ODD_HEADERS)] == ODD_HEADERS
    assert dict(letter.headers)["__connect.errors.exception.message"] == b"why"


async def test_dead_letters_fill_several_batches(connection: KafkaConnection, topics: CallTopics) -> None:
    publisher = Publisher(connection, topics, max_request_size=BROKER_LIMIT)
    values = [b"%d " % n + b"x" * 2_000 for n in range(600)]
    letters = [
        DeadLetter(Record(topics.call_requested, 1, n, value=value), "VALUE_CONVERTER", "Error", "why")
        for n, value in enumerate(values)
    ]
    await publisher.publish(Outbox([], letters))
    await publisher.stop()
    assert [record.value for record in await read(connection, topics.dead_letters)] == values


async def test_the_tail_of_the_replies_is_read_whatever_its_headers_are(
    connection: KafkaConnection, topics: CallTopics, kafka_bootstrap: str
) -> None:
    batch = OddBatch()
    batch.add(b"k", b"{}", [(LATIN_1, b"1"), (b"outbound-source", topics.call_requested.encode() + b":7:0")])
    await send_odd(kafka_bootstrap, topics.number_assigned, 3, batch)
    batch = OddBatch()
    batch.add(b"k", None, [(b"outbound-source", None), (LATIN_1, None)])
    batch.add(b"k", None, [(b"outbound-source", b"\xff:\xb2")])
    await send_odd(kafka_bootstrap, topics.number_assigned, 3, batch)
    assert await published_offsets(connection, topics.number_assigned, [3]) == {(topics.call_requested, 3): 7}


NUMBER = b'{"type": "number", "number": "+358912345678"}'
ODD_SETTINGS: list[tuple[bytes | None, bytes | None]] = [
    (b"number:+358912345678", b"\xff\x00"),
    (b"number:+358912345678", b""),
    (b"number:+358912345678", b"[" * 100_000),
    (b"number:+358912345678", b'{"type": "number", "number": 1e400}'),
    (b"number:+358912345678", b'{"type": "number", "number": NaN}'),
    (b"number:+358912345678", b'{"type": "number", "number": "\\ud800"}'),
    (b"project:\\ud800", b'{"type": "project", "project_id": "\\ud800", "name": "x"}'),
    (b"\xff\xfe", b"{}"),
    (b"\xff\xfe", None),
    (b"", NUMBER),
    (b"tomorrow:1", b'{"type": "tomorrow"}'),
    (b"tomorrow:1", None),
    (b"number:" + b"9" * 5_000, NUMBER),
]


@pytest.fixture
async def follower(connection: KafkaConnection, topics: CallTopics) -> AsyncIterator[SettingsFollower]:
    follower = SettingsFollower(connection, topics.routing_settings)
    following = asyncio.create_task(follower.follow())
    yield follower
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def until_version(follower: SettingsFollower, version: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await follower.loaded()
        while follower.routing().version < version:
            await asyncio.sleep(0.01)


async def test_no_settings_record_stops_the_follower_or_takes_the_place_of_a_good_one(
    connection: KafkaConnection, topics: CallTopics, follower: SettingsFollower, kafka_bootstrap: str
) -> None:
    async def send(key: bytes | None, value: bytes | None) -> int:
        return await send_odd(kafka_bootstrap, topics.routing_settings, 0, odd(key, value))

    await send(b"number:+358912345678", NUMBER)
    for key, value in ODD_SETTINGS:
        await send(key, value)
    last = await send(b"number:+358331234567", NUMBER.replace(b"912345678", b"331234567"))
    await until_version(follower, last)
    assert set(follower.routing().numbers) == {"+358912345678", "+358331234567"}
    assert follower.refusals == len(ODD_SETTINGS) - 1  # a tombstone of another kind has nothing to delete
    assert set((await read_settings(connection, topics.routing_settings)).routing().numbers) == set(
        follower.routing().numbers
    )


class Wire:
    """Damages, on the way from Kafka, the batches in which some bytes are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.damages: bytes | None = None
        self.damaged = 0
        unpack = fetcher.MemoryRecords

        def unpack_damaged(data: bytes) -> Any:
            if self.damages is not None and self.damages in data:
                self.damaged += 1
                data = data.replace(self.damages, self.damages[::-1])
            return unpack(data)

        monkeypatch.setattr(fetcher, "MemoryRecords", unpack_damaged)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setattr(intake_module, "_UNREADABLE_RETRY_S", 0.2)
    monkeypatch.setattr(settings_topic, "_UNREADABLE_RETRY_S", 0.2)
    return Wire(monkeypatch)


async def test_a_damaged_batch_holds_up_its_own_partition_alone_and_loses_nothing(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer, wire: Wire
) -> None:
    wire.damages = b"<fragile>"
    async with joined(connection, topics, group) as intake:
        for partition in range(12):
            await producer.send_and_wait(topics.call_requested, b"before", partition=partition)
        await producer.send_and_wait(topics.call_requested, b"<fragile>", partition=4)
        for partition in range(12):
            await producer.send_and_wait(topics.call_requested, b"after", partition=partition)
        records = await handed_out(intake, 12 + 11)
        assert {record.partition for record in records if record.value == b"after"} == set(range(12)) - {4}
        async with asyncio.timeout(PATIENCE_S):
            while wire.damaged < 3:  # it is tried again and again
                assert not await intake.fetch()
        wire.damages = None
        records += await handed_out(intake, 2)
    assert values([record for record in records if record.partition == 4]) == [b"before", b"<fragile>", b"after"]
    assert len(records) == 25


async def test_a_reader_names_the_damaged_batch(
    connection: KafkaConnection, topics: CallTopics, producer: AIOKafkaProducer, wire: Wire
) -> None:
    wire.damages = b"<fragile>"
    await producer.send_and_wait(topics.number_assigned, b"whole", partition=4)
    await producer.send_and_wait(topics.number_assigned, b"<fragile>", partition=4)
    with pytest.raises(UnreadableBatchError, match=f"{topics.number_assigned}-4 at offset 1") as raised:
        _ = [record async for record in read_to_end(connection, topics.number_assigned)]
    assert raised.value.retriable


async def test_the_settings_wait_for_a_damaged_batch_to_be_whole(
    topics: CallTopics, producer: AIOKafkaProducer, wire: Wire, follower: SettingsFollower
) -> None:
    wire.damages = b"+358912345678"
    sent = await producer.send_and_wait(topics.routing_settings, NUMBER, b"number:+358912345678", partition=0)
    async with asyncio.timeout(PATIENCE_S):
        while wire.damaged < 2:
            await asyncio.sleep(0.01)
    wire.damages = None
    await until_version(follower, sent.offset)
    assert set(follower.routing().numbers) == {"+358912345678"}
