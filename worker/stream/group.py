"""The consumer group, seen from outside."""

from typing import Final

import stamina
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    for_code,
)

from worker.stream.connection import KafkaConnection

_MEMBERS: Final = 5
"""The place of the members in a described group; the error is the first."""

_NO_COORDINATOR_YET: Final = (
    GroupLoadInProgressError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
)
"""The brokers make the topic of the groups' offsets when a group is first asked for, and then read it."""
_PATIENCE_S: Final = 30.0


async def count_members(connection: KafkaConnection, group_id: str) -> int:
    """How many replicas the group has at the moment. Raises `KafkaUnavailableError`."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        async for attempt in stamina.retry_context(on=_NO_COORDINATOR_YET, attempts=None, timeout=_PATIENCE_S):
            with attempt:
                return await _count(admin, group_id)
    except (KafkaError, TimeoutError) as error:
        raise connection.unavailable(error) from error
    finally:
        await admin.close()
    raise AssertionError("unreachable: the last try raises")


async def _count(admin: AIOKafkaAdminClient, group_id: str) -> int:
    [response] = await admin.describe_consumer_groups([group_id])
    [group] = response.groups
    error = for_code(group[0])
    if error is not NoError:
        raise error(f"the group {group_id} cannot be described")
    return len(group[_MEMBERS])
