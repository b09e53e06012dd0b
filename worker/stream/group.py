"""The consumer group, seen from outside."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from worker.stream.connection import KafkaConnection

_MEMBERS = 5  # the place of the members in a described group


async def count_members(connection: KafkaConnection, group_id: str) -> int:
    """How many replicas the group has at the moment. Raises `KafkaUnavailableError`."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        [response] = await admin.describe_consumer_groups([group_id])
    except (KafkaError, TimeoutError) as error:
        raise connection.unavailable(error) from error
    finally:
        await admin.close()
    return sum(len(group[_MEMBERS]) for group in response.groups)
