"""Replies and dead letters on a real Kafka."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import ConsumerRecord

from schemas import headers
from worker.stream.connection import KafkaConnection
from worker.stream.publisher import Publisher
from worker.stream.reader import read_to_end
from worker.stream.records import DeadLetter, Outbox, OutgoingReply
from worker.stream.replies import published_offsets, replies_to
from worker.stream.topics import CallTopics

BROKER_LIMIT = 1_048_576


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes | None = b"contact"
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


@pytest.fixture
def connection(kafka_bootstrap: str) -> KafkaConnection:
    return KafkaConnection(bootstrap=kafka_bootstrap)


@pytest.fixture
async def publisher(connection: KafkaConnection, topics: CallTopics) -> AsyncIterator[Publisher]:
    publisher = Publisher(connection, topics, max_request_size=BROKER_LIMIT)
    await publisher.start()
    yield publisher
    await publisher.stop()


async def read(connection: KafkaConnection, topic: str) -> list[ConsumerRecord]:
    return [record async for record in read_to_end(connection, topic)]


async def test_replies_keep_the_order_and_the_partition_of_their_requests(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    # Large enough that a partition's replies need several batches.
    replies = [
        OutgoingReply(Record(topics.call_requested, n % 3, n), b"k", b"%d " % n + b"x" * 2_000) for n in range(3_000)
    ]
    outbox = Outbox(replies, [])
    await publisher.publish(outbox)
    assert not outbox
    read_back = await read(connection, topics.number_assigned)
    for partition in range(3):
        values = [record.value for record in read_back if record.partition == partition]
        assert values == [reply.value for reply in replies if reply.request.partition == partition]
    assert len(read_back) == 3_000


async def test_a_reply_names_the_request_that_it_answers(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    records = [Record(topics.call_requested, 5, offset) for offset in (7, 9, 8)]
    await publisher.publish(Outbox([OutgoingReply(record, b"k", b"{}") for record in records], []))
    assert await published_offsets(connection, topics.number_assigned, [5, 6]) == {(topics.call_requested, 5): 9}


async def test_no_partition_has_no_published_offsets(connection: KafkaConnection, topics: CallTopics) -> None:
    assert await published_offsets(connection, topics.number_assigned, []) == {}


async def test_the_replies_to_a_contact_are_found_on_whatever_partition(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    await publisher.publish(
        Outbox(
            [
                OutgoingReply(Record(topics.call_requested, 1, 0), "käyttäjä".encode(), b"one"),
                OutgoingReply(Record(topics.call_requested, 2, 0), b"another", b"two"),
                OutgoingReply(Record(topics.call_requested, 3, 0), "käyttäjä".encode(), b"three"),
            ],
            [],
        )
    )
    assert sorted(await replies_to(connection, topics.number_assigned, "käyttäjä")) == [b"one", b"three"]


async def test_what_failed_is_sent_by_a_second_try_and_what_was_sent_is_not(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    first = Outbox([OutgoingReply(Record(topics.call_requested, 0, 0), None, b"0")], [])
    await publisher.publish(first)
    await publisher.stop()
    again = Outbox([OutgoingReply(Record(topics.call_requested, 0, n), None, b"%d" % n) for n in range(3)], [])
    await publisher.publish(again)
    assert not again
    assert [record.value for record in await read(connection, topics.number_assigned)] == [b"0", b"1", b"2"]


async def test_a_log_that_could_not_be_read_is_read_before_anything_is_sent_again(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = [OutgoingReply(Record(topics.call_requested, 0, 0), None, b"0")]
    await publisher.publish(Outbox(out, []))
    await publisher.stop()

    async def unreadable(*_: object, **__: object) -> set[tuple[bytes, bytes]]:
        raise KafkaConnectionError

    with monkeypatch.context() as patched:
        patched.setattr("worker.stream.publisher.published_replies", unreadable)
        with pytest.raises(KafkaConnectionError):
            await publisher.publish(Outbox(out, []))
    await publisher.publish(Outbox(out, []))
    assert [record.value for record in await read(connection, topics.number_assigned)] == [b"0"]


async def test_a_second_try_is_not_silenced_by_the_replies_to_a_topic_that_was_made_anew(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    before = [OutgoingReply(Record(topics.call_requested, 0, offset), None, b"before") for offset in (0, 5_000)]
    await publisher.publish(Outbox(before, []))
    await publisher.stop()
    await publisher.publish(Outbox([OutgoingReply(Record(topics.call_requested, 0, 0), None, b"anew")], []))
    assert [r.value for r in await read(connection, topics.number_assigned)] == [b"before", b"before", b"anew"]


@pytest.mark.parametrize("key", [b"key", None])
@pytest.mark.parametrize("value", [b"\xff\x00", b"", None])
async def test_a_dead_letter_is_the_record_as_it_was_and_why(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics, key: bytes | None, value: bytes | None
) -> None:
    record = Record(topics.call_requested, 4, 17, key, value, (("trace", b"\x00\x01"), ("trace", b"2")))
    letter = DeadLetter(record, "VALUE_CONVERTER", "pydantic.ValidationError", "phone: missing")
    await publisher.publish(Outbox([], [letter]))
    (found,) = await read(connection, topics.dead_letters)
    assert (found.key, found.value) == (key, value)
    assert found.headers == (
        ("trace", b"\x00\x01"),
        ("trace", b"2"),
        ("__connect.errors.topic", topics.call_requested.encode()),
        ("__connect.errors.partition", b"4"),
        ("__connect.errors.offset", b"17"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.class.name", b"pydantic.ValidationError"),
        ("__connect.errors.exception.message", b"phone: missing"),
    )


async def test_a_dead_letter_that_no_longer_fits_goes_without_its_value_and_says_so(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    size = BROKER_LIMIT - 200
    record = Record(topics.call_requested, 0, 0, b"key", b"x" * size)
    await publisher.publish(Outbox([], [DeadLetter(record, "VALUE_CONVERTER", "Error", "why")]))
    (found,) = await read(connection, topics.dead_letters)
    assert (found.key, found.value) == (b"key", None)
    assert dict(found.headers)[headers.VALUE_OMITTED] == b"%d bytes" % size


async def test_a_dead_letter_of_which_even_key_and_headers_do_not_fit_still_goes(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    large = (("h", b"x" * (BROKER_LIMIT - 100)),)
    record = Record(topics.call_requested, 0, 0, b"key", b"value", large)
    await publisher.publish(Outbox([], [DeadLetter(record, "VALUE_CONVERTER", "Error", "why")]))
    (found,) = await read(connection, topics.dead_letters)
    assert (found.key, found.value) == (None, None)
    assert dict(found.headers)["__connect.errors.offset"] == b"0"


async def test_a_dead_letter_just_within_the_limit_keeps_its_value(
    publisher: Publisher, connection: KafkaConnection, topics: CallTopics
) -> None:
    record = Record(topics.call_requested, 0, 0, b"key", b"x" * (BROKER_LIMIT - 2_000))
    await publisher.publish(Outbox([], [DeadLetter(record, "VALUE_CONVERTER", "Error", "why")]))
    (found,) = await read(connection, topics.dead_letters)
    assert found.value == record.value
