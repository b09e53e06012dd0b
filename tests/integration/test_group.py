"""The consumer group as a real Kafka describes it."""

from uuid import uuid4

from tests.services.kafka import kafka_server
from worker.stream.connection import KafkaConnection
from worker.stream.group import count_members
from worker.stream.intake import Intake
from worker.stream.topics import CallTopics

SESSION_MS = 6_000


async def test_members_are_counted(kafka_bootstrap: str, topics: CallTopics) -> None:
    connection, group = KafkaConnection(bootstrap=kafka_bootstrap), uuid4().hex
    assert await count_members(connection, group) == 0
    intake = Intake(connection, topics, group, SESSION_MS)
    await intake.start()
    while intake.assignment is None:
        await intake.fetch()
    assert await count_members(connection, group) == 1
    await intake.stop()
    assert await count_members(connection, group) == 0


async def test_brokers_that_were_never_asked_for_a_group_are_given_time() -> None:
    with kafka_server() as server:
        assert await count_members(KafkaConnection(bootstrap=server.bootstrap), "any") == 0
