"""Where logs end, asked beside the fetching of them."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.stream.connection import KafkaConnection


class LogEnds:
    """Asks the brokers on connections of its own.

    A broker answers what comes over a connection one after the other, and holds a fetch until there is something to
    be fetched: asked over that one, it would tell an end when the next record comes, or when the fetch is over.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._consumer = AIOKafkaConsumer(**connection.client_options(), isolation_level="read_committed")

    async def start(self) -> None:
        """Connect. Raises aiokafka's `KafkaError` if no broker answers."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that follows the last record of each, of open transactions none. Raises `KafkaError`."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        return ends
