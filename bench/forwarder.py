"""`python -m bench.forwarder [parse]`: records passed on in batches, unread or parsed and dumped. A floor.

What aiokafka takes for any worker in Python that reads and writes Kafka, without a Redis or a decision.
"""

import asyncio
import sys
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from bench.rival import environment, inputs, say_started, until_told

_BATCH_RECORDS: Final = 2_000
_BATCH_BYTES: Final = 512 * 1024
_POLL_MS: Final = 200


class Forwarder:
    """Passes records on to the replies' topic, on the partition that they came on."""

    def __init__(self, *, parses: bool) -> None:
        self._parses = parses
        self._topic = environment("TOPIC_NUMBER_ASSIGNED")
        self._producer = AIOKafkaProducer(
            bootstrap_servers=environment("KAFKA_BOOTSTRAP"),
            acks="all",
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
        )
        self._consumer = inputs()

    async def run(self) -> None:
        """Forward without an end."""
        async with self._producer, self._consumer:
            say_started()
            while True:
                fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
                if fetched:
                    await asyncio.gather(*(self._forward(tp.partition, records) for tp, records in fetched.items()))
                    await self._consumer.commit()

    async def _forward(self, partition: int, records: list[ConsumerRecord]) -> None:
        sent: list[Any] = []
        batch = self._producer.create_batch()
        for record in records:
            value = msgspec.json.encode(msgspec.json.decode(record.value)) if self._parses else record.value
            if batch.append(timestamp=None, key=record.key, value=value) is None:
                batch.close()
                sent.append(await self._producer.send_batch(batch, self._topic, partition=partition))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=record.key, value=value)
        batch.close()
        sent.append(await self._producer.send_batch(batch, self._topic, partition=partition))
        await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.run(until_told(lambda: Forwarder(parses=sys.argv[1:] == ["parse"]).run()))
