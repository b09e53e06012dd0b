"""Where logs end, asked beside the fetching of them."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import stamina
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

_CONNECTIONS: Final = "log ends"
"""Which of a client's connections to a broker."""

_NO_REPLICA: Final = -1
_READ_COMMITTED: Final = 1
_PATIENCE_S: Final = 5.0


class LogEnds:
    """Asks the brokers, on connections of its own.

    A broker answers what comes over a connection one after the other, and holds a fetch until there is something to
    be fetched: asked over that one, it would tell an end when the next record comes, or when the fetch is over.

    A consumer's `end_offsets` would take a client of its own, and 80 µs an answer where this takes 60.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        """Take a client that knows the topics."""
        self._client = client

    async def of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that follows the last record of each, of open transactions none.

        Raises aiokafka's `KafkaError` if no answer is to be had, tried anew for five seconds where that may help.
        """
        try:
            return await self._ask(partitions)  # mostly that is all, and to set up retries takes 20 µs
        except KafkaError as error:
            if not _is_retriable(error):
                raise
        async for attempt in stamina.retry_context(on=_is_retriable, attempts=None, timeout=_PATIENCE_S):
            with attempt:
                return await self._ask(partitions)
        raise AssertionError("unreachable: the last try raises")

    async def _ask(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Ask the leader of each, once."""
        try:
            questions = [self._ask_leader(node, topics) for node, topics in self._by_leader(partitions).items()]
            # Mostly there is one, which needs no task of its own.
            answers = [await questions[0]] if len(questions) == 1 else await asyncio.gather(*questions)
        except KafkaError as error:
            if error.invalid_metadata:
                self._client.force_metadata_update()
            raise
        return {tp: end for answer in answers for tp, end in answer.items()}

    def _by_leader(self, partitions: Sequence[TopicPartition]) -> Mapping[int, Mapping[str, list[tuple[int, int]]]]:
        by_leader: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for tp in partitions:
            leader = self._client.cluster.leader_for_partition(tp)
            if leader is None or leader < 0:
                raise LeaderNotAvailableError(f"{tp.topic}-{tp.partition} has no leader")
            by_leader[leader][tp.topic].append((tp.partition, OffsetResetStrategy.LATEST))
        return by_leader

    async def _ask_leader(self, node: int, topics: Mapping[str, list[tuple[int, int]]]) -> dict[TopicPartition, int]:
        request = OffsetRequest(_NO_REPLICA, _READ_COMMITTED, list(topics.items()))
        answer: Any = await self._client.send(node, request, group=_CONNECTIONS)
        ends = {}
        for topic, told in answer.topics:
            for index, code, _, end in told:
                error = for_code(code)
                if error is not NoError:
                    raise error(f"{topic}-{index}")
                ends[TopicPartition(topic, index)] = end
        return ends


def _is_retriable(error: Exception) -> bool:
    return isinstance(error, KafkaError) and bool(error.retriable)
