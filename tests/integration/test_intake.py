"""The intake on a real Kafka: order, rebalances, what was answered already, and what is committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from worker.stream.connection import KafkaConnection
from worker.stream.intake import MAX_BATCH, PROMPT_BATCH, Intake
from worker.stream.records import SourceRecord
from worker.stream.topics import CallTopics

PATIENCE_S = 60
SESSION_MS = 6_000


@pytest.fixture
def connection(kafka_bootstrap: str) -> KafkaConnection:
    return KafkaConnection(bootstrap=kafka_bootstrap)


@pytest.fixture
def group() -> str:
    return uuid4().hex


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    yield producer
    await producer.stop()


@asynccontextmanager
async def joined(connection: KafkaConnection, topics: CallTopics, group: str) -> AsyncIterator[Intake]:
    intake = Intake(connection, topics, group, SESSION_MS)
    await intake.start()
    try:
        yield intake
    finally:
        await intake.stop()


def take_over(intake: Intake) -> None:
    """What the loop does after it has looked at the logs."""
    if intake.assignment is not None:
        intake.serve(intake.assignment)


async def handed_out(intake: Intake, count: int) -> list[SourceRecord]:
    """So many records, each batch committed as the loop does it."""
    records: list[SourceRecord] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            take_over(intake)
            if batch := await intake.fetch():
                intake.done(batch)
                await intake.commit()
                records += batch
    return records


def values(records: list[SourceRecord]) -> list[bytes | None]:
    return [record.value for record in records]


async def test_a_backlog_of_both_topics_is_handed_out_by_timestamp(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    # More than one fetch and one batch of each topic; the topics are written one after the other.
    total = 3 * MAX_BATCH
    for topic, first in ((topics.call_requested, 0), (topics.call_outcome, 1)):
        for n in range(first, total, 2):
            await producer.send(topic, b"%d" % n + b"." * 300, partition=0, timestamp_ms=n + 1)
    await producer.flush()
    async with joined(connection, topics, group) as intake:
        records = await handed_out(intake, total)
        assert [record.timestamp for record in records] == list(range(1, total + 1))
        assert intake.waits_exceeded == 0


async def test_no_partition_waits_behind_the_backlogs_of_others(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    # Of each as much as one answer of a broker holds, but one record of the last.
    *others, last = range(12)
    for n in range(3_000):
        for partition in others:
            await producer.send(topics.call_requested, b"%d" % n + b"." * 100, partition=partition)
    await producer.send(topics.call_requested, b"alone", partition=last)
    await producer.flush()
    async with joined(connection, topics, group) as intake, asyncio.timeout(PATIENCE_S):
        ahead = 0
        while b"alone" not in values(batch := await handed_out(intake, 1)):
            ahead += len(batch)
        assert ahead <= 3 * MAX_BATCH


async def test_batches_larger_than_a_partitions_part_of_an_answer_get_their_turn_among_small_ones(
    connection: KafkaConnection,
    topics: CallTopics,
    group: str,
    producer: AIOKafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.stream.intake._FETCHED_BYTES", 1)  # 16 kB of each, as if there were hundreds
    small, large, each = range(6), range(6, 12), 300
    async with AIOKafkaProducer(bootstrap_servers=connection.bootstrap, max_batch_size=200_000, linger_ms=500) as bulk:
        for n in range(each):
            for partition in large:
                await bulk.send(topics.call_requested, b"%d" % n + b"." * 500, partition=partition)
        await bulk.flush()
    for n in range(each):
        for partition in small:
            await producer.send(topics.call_requested, b"%d" % n + b"." * 100, partition=partition)
    await producer.flush()
    async with joined(connection, topics, group) as intake:
        records = await handed_out(intake, each * 12)
    for partition in (*small, *large):
        in_turn = [record.value for record in records if record.partition == partition]
        assert [int((value or b"").partition(b".")[0]) for value in in_turn] == list(range(each))


@pytest.mark.parametrize("partitions_without_backlog", [0, 1])
async def test_batches_are_large_where_every_partition_has_a_backlog_and_no_fresh_call_waits_behind_one(
    connection: KafkaConnection,
    topics: CallTopics,
    group: str,
    producer: AIOKafkaProducer,
    partitions_without_backlog: int,
) -> None:
    partitions = range(partitions_without_backlog, 12)
    each = 1_500
    for n in range(each):
        for partition in partitions:
            await producer.send(topics.call_requested, b"%d" % n + b"." * 100, partition=partition)
    await producer.flush()
    sizes: list[int] = []
    async with joined(connection, topics, group) as intake, asyncio.timeout(PATIENCE_S):
        while sum(sizes) < each * len(partitions):
            batch = await next_batch(intake)
            intake.done(batch)
            sizes.append(len(batch))
    assert max(sizes) <= MAX_BATCH
    assert (max(sizes) > PROMPT_BATCH) == (partitions_without_backlog == 0)


async def test_a_rebalance_while_idle_loses_nothing(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer, kafka_bootstrap: str
) -> None:
    async with joined(connection, topics, group) as intake:
        first = asyncio.create_task(handed_out(intake, 200))
        # Another member takes half of the partitions, reads and commits nothing, and leaves while the intake,
        # which has handed out its own half, waits for more.
        other = AIOKafkaConsumer(
            *topics.inputs,
            bootstrap_servers=kafka_bootstrap,
            group_id=group,
            enable_auto_commit=False,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=500,
        )
        await other.start()
        for n in range(200):
            for topic in topics.inputs:
                await producer.send(topic, f"{topic} {n}".encode(), partition=n % 2 * 6)
        await producer.flush()
        records = await first
        rest = asyncio.create_task(handed_out(intake, 200))
        await other.stop()
        records += await rest
    assert sorted(values(records), key=str) == sorted(
        [f"{topic} {n}".encode() for topic in topics.inputs for n in range(200)], key=str
    )


async def test_what_is_not_committed_is_handed_out_again(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    for n in range(5):
        await producer.send_and_wait(topics.call_requested, b"%d" % n, partition=3)
    async with joined(connection, topics, group) as first:
        assert values(await handed_out(first, 5)) == [b"0", b"1", b"2", b"3", b"4"]
        await producer.send_and_wait(topics.call_requested, b"5", partition=3)
        async with asyncio.timeout(PATIENCE_S):
            while not await first.fetch():
                take_over(first)
    async with joined(connection, topics, group) as second:
        assert values(await handed_out(second, 1)) == [b"5"]


async def test_nothing_is_handed_out_before_the_partitions_are_taken_over(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topics.call_requested, b"0", partition=7)
    async with joined(connection, topics, group) as intake:
        async with asyncio.timeout(PATIENCE_S):
            while intake.assignment is None:
                await intake.fetch()
        assert intake.assignment == (frozenset(range(12)), 12)
        assert [await intake.fetch() for _ in range(5)] == [[]] * 5
        assert not intake.is_assigned
        assert values(await handed_out(intake, 1)) == [b"0"]


async def test_who_starts_over_gets_everything_again_that_is_not_committed(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    total = MAX_BATCH + 500  # more than a batch: some of it is fetched and waits
    for n in range(total):
        await producer.send(topics.call_requested, b"%d" % n, partition=n % 3)
    await producer.flush()
    async with joined(connection, topics, group) as intake:
        async with asyncio.timeout(PATIENCE_S):
            while not await intake.fetch():
                take_over(intake)
        before = intake.assignment
        intake.start_over()
        assert intake.assignment == before
        assert intake.assignment is not before
        assert not intake.is_assigned
        records = await handed_out(intake, total)
        for partition in range(3):
            offsets = [record.offset for record in records if record.partition == partition]
            assert offsets == list(range(len(offsets)))
        assert len(records) == total


async def test_whose_commit_is_refused_has_nothing_until_the_group_gives_it_again(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topics.call_outcome, b"0", partition=3)
    intake = Intake(connection, topics, group, 600_000)  # so seldom a heartbeat that none tells it first
    await intake.start()
    try:
        batch = await next_batch(intake)
        coordinator = intake._consumer._coordinator  # noqa: SLF001 - who is expelled must be named
        await coordinator._send_req(LeaveGroupRequest(group, coordinator.member_id))  # noqa: SLF001
        intake.done(batch)
        await intake.commit()
        assert intake.assignment is None
        assert not intake.is_assigned
        assert not intake.uncommitted
        intake.start_over()
        assert intake.assignment is None
        assert values(await handed_out(intake, 1)) == [b"0"]
    finally:
        await intake.stop()


async def test_a_committed_batch_is_that_of_the_group(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer, kafka_bootstrap: str
) -> None:
    for n in range(4):
        await producer.send_and_wait(topics.call_outcome, b"%d" % n, partition=2)
    async with joined(connection, topics, group) as intake:
        await handed_out(intake, 4)
    reader = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        assert await reader.committed(TopicPartition(topics.call_outcome, 2)) == 4
        assert await reader.committed(TopicPartition(topics.call_requested, 2)) is None
    finally:
        await reader.stop()


async def test_a_request_is_not_held_up_by_outcomes_that_do_not_come(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    async with joined(connection, topics, group) as intake:
        for n in range(20):
            await producer.send_and_wait(topics.call_requested, b"%d" % n, partition=n % 12)
            await handed_out(intake, 1)
        assert intake.waits_exceeded == 0


async def test_what_the_group_refuses_is_raised_and_not_waited_for(
    connection: KafkaConnection, topics: CallTopics, group: str
) -> None:
    intake = Intake(connection, topics, group, 1_000)  # below what brokers allow
    await intake.start()
    try:
        with pytest.raises(KafkaError):
            await handed_out(intake, 1)
    finally:
        await intake.stop()


async def next_batch(intake: Intake) -> list[SourceRecord]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            take_over(intake)
            if batch := await intake.fetch():
                return batch


async def test_a_batch_given_back_is_handed_out_again_in_its_order(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    for n in range(4):
        await producer.send_and_wait(topics.call_requested, b"%d" % n, partition=3)
    async with joined(connection, topics, group) as intake:
        intake.give_back(await next_batch(intake))
        assert values(await handed_out(intake, 4)) == [b"0", b"1", b"2", b"3"]


async def test_a_batch_given_back_holds_up_no_rebalance_and_goes_to_the_next_owner(
    connection: KafkaConnection, topics: CallTopics, group: str, producer: AIOKafkaProducer
) -> None:
    for partition in range(12):
        await producer.send_and_wait(topics.call_requested, b"%d" % partition, partition=partition)
    async with joined(connection, topics, group) as first:
        given_back: list[SourceRecord] = []
        while len(given_back) < 12:
            given_back = await next_batch(first)
            first.give_back(given_back)
        async with joined(connection, topics, group) as second:
            records = await handed_out(second, 6)  # while the first one fetches nothing
            records += await handed_out(first, 6)
    assert sorted(record.partition for record in records) == list(range(12))
