"""The topics: their names, what each must be like, and creating those that are missing."""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from worker.stream.connection import KafkaConnection, KafkaUnavailableError
from worker.stream.diagnosis import diagnosed

CALL_RETENTION_DAYS: Final = 90
"""What a rebuild of the state can reach back to, unless the topics are created with another retention."""

_POLICY: Final = "cleanup.policy"
_MS_PER_DAY: Final = 24 * 3600 * 1000
_VISIBLE_S: Final = 30.0
_VISIBLE_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTopics:
    """The names of the topics. Requests and outcomes may share one."""

    call_requested: str = "call-requested"
    call_outcome: str = "call-outcome"
    number_assigned: str = "number-assigned"
    routing_settings: str = "routing-settings"
    dead_letters: str = "dead-letters"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that the worker reads, in the order in which records of one timestamp are handled."""
        return tuple(dict.fromkeys((self.call_outcome, self.call_requested)))


class TopicMismatchError(Exception):
    """The topics that exist are not as they were asked for; the text names each, and the mend."""


class Wanted(NamedTuple):
    """What a topic must be like."""

    partitions: int
    configuration: Mapping[str, str]


def wanted_topics(topics: CallTopics, *, partitions: int, retention_days: int) -> dict[str, Wanted]:
    """What each topic must be like: the call topics alike, the settings compacted in one partition."""
    retention_ms = str(retention_days * _MS_PER_DAY)
    call = Wanted(partitions, {"retention.ms": retention_ms, _POLICY: "delete"})
    return {
        topics.call_requested: call,
        topics.call_outcome: call,
        topics.number_assigned: call,
        topics.dead_letters: call,
        topics.routing_settings: Wanted(1, {_POLICY: "compact"}),
    }


async def create_topics(
    connection: KafkaConnection, wanted: Mapping[str, Wanted], *, replication_factor: int
) -> list[str]:
    """Create the topics that are missing and give their names.

    Raises `TopicMismatchError` before it creates any if one that exists has another number of partitions (or is
    not compacted where it must be), and `KafkaUnavailableError`.
    """
    async with _admin(connection) as admin:
        existing = await _partitions(admin, list(wanted))
        _refuse_mismatch(wanted, existing, await _policies(admin, list(existing)))
        missing = [
            NewTopic(name, topic.partitions, replication_factor, topic_configs=dict(topic.configuration))
            for name, topic in wanted.items()
            if name not in existing
        ]
        if missing:
            response = await admin.create_topics(missing)
            _raise_for(response.topic_errors)
            await _until_visible(admin, [topic.name for topic in missing])
        return [topic.name for topic in missing]


async def require_topics(connection: KafkaConnection, topics: CallTopics) -> int:
    """Check that the topics are there and the call topics alike; give their number of partitions.

    Raises `TopicMismatchError` and `KafkaUnavailableError`.
    """
    names = [*topics.inputs, topics.number_assigned, topics.routing_settings, topics.dead_letters]
    async with _admin(connection) as admin:
        existing = await _partitions(admin, names)
    _refuse_missing(names, existing)
    counts = {name: existing[name] for name in (*topics.inputs, topics.number_assigned, topics.dead_letters)}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TopicMismatchError(
            f"the call topics must have the same number of partitions, and have: {shown}; add partitions"
        )
    return counts[topics.number_assigned]


async def require_topic(connection: KafkaConnection, name: str) -> None:
    """Check that a topic is there. To read one that is not may create it, and not as it must be.

    Raises `TopicMismatchError` and `KafkaUnavailableError`.
    """
    async with _admin(connection) as admin:
        _refuse_missing([name], await admin.list_topics())


async def partitions_of(connection: KafkaConnection, name: str) -> int:
    """How many partitions a topic has. Raises `TopicMismatchError` if it is not there, and `KafkaUnavailableError`."""
    async with _admin(connection) as admin:
        existing = await _partitions(admin, [name])
    _refuse_missing([name], existing)
    return existing[name]


def _refuse_missing(names: Iterable[str], existing: Container[str]) -> None:
    missing = [name for name in names if name not in existing]
    if missing:
        raise TopicMismatchError(
            f"no such topic on the brokers: {', '.join(missing)}; create with `outbound-numbers topics create`"
        )


@asynccontextmanager
async def _admin(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        yield admin
    except (KafkaError, TimeoutError) as error:
        raise await diagnosed(connection, error) from error
    finally:
        await admin.close()


async def _until_visible(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    # The controller has created them; a broker hears of it a moment later, and until then knows no such topics.
    async with asyncio.timeout(_VISIBLE_S):
        while len(await _partitions(admin, names)) < len(names):  # noqa: ASYNC110 - Kafka does not tell, it is asked
            await asyncio.sleep(_VISIBLE_POLL_S)


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    # Described only if listed: to describe a topic that is not there may create it.
    listed = set(await admin.list_topics())
    names = [name for name in names if name in listed]
    described = await admin.describe_topics(names) if names else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}


async def _policies(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, str]:
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: value
        for response in responses
        for _, _, _, name, entries in response.resources
        for option, value, *_ in entries
        if option == _POLICY
    }


def _refuse_mismatch(wanted: Mapping[str, Wanted], existing: Mapping[str, int], policies: Mapping[str, str]) -> None:
    wrong = [
        f"topic {name} exists with {existing[name]} partitions, and {topic.partitions} were asked for"
        for name, topic in wanted.items()
        if name in existing and existing[name] != topic.partitions
    ] + [
        f"topic {name} exists with {_POLICY}={policies[name]}, and needs {topic.configuration[_POLICY]}"
        for name, topic in wanted.items()
        if policies.get(name, topic.configuration[_POLICY]) != topic.configuration[_POLICY]
    ]
    if wrong:
        raise TopicMismatchError(
            "; ".join(wrong) + ". Nothing was changed. Ask for what there is, or change the topics with Kafka's own "
            "tools: add partitions to all call topics alike."
        )


def _raise_for(topic_errors: list[tuple[str, int, str | None]]) -> None:
    failed = [f"{name}: {message or for_code(code).__name__}" for name, code, message, *_ in topic_errors if code != 0]
    if failed:
        raise KafkaUnavailableError("Kafka did not create " + "; ".join(failed))
