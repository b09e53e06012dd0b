"""Records as no well-behaved producer writes them: any bytes as the key of a header."""

import struct
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

Headers = Sequence[tuple[bytes, bytes | None]]

_CRC_AT: Final = 17
_CRC_FROM: Final = 21
"""Where a batch has its checksum, and from where on it counts (KIP-98)."""


class OddBatch(BatchBuilder):  # type: ignore[misc] # aiokafka ships no type information
    """A batch as aiokafka builds it, in which the headers' keys, of at least three bytes, are put in afterwards."""

    def __init__(self) -> None:
        super().__init__(1 << 20, 0)
        self._keys: dict[bytes, bytes] = {}

    def add(self, key: bytes | None, value: bytes | None, headers: Headers, *, at_ms: int | None = None) -> None:
        named = []
        for header_key, header_value in headers:
            stands_for = f"<{len(self._keys):02}".ljust(len(header_key), ">")
            assert len(stands_for) == len(header_key)
            self._keys[stands_for.encode()] = header_key
            named.append((stands_for, header_value))
        assert self.append(timestamp=at_ms, key=key, value=value, headers=named) is not None

    def built(self) -> bytes:
        """The bytes of the batch."""
        batch = bytes(super()._build())
        for stands_for, header_key in self._keys.items():
            assert batch.count(stands_for) == 1
            batch = batch.replace(stands_for, header_key)
        return batch[:_CRC_AT] + struct.pack(">I", calc_crc32c(batch[_CRC_FROM:])) + batch[_CRC_FROM:]

    def _build(self) -> bytes:  # asked for by the producer
        return self.built()


async def send_odd(bootstrap: str, topic: str, partition: int, batch: OddBatch) -> int:
    """Write the batch; give the offset of its first record."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        sent = await producer.send_batch(batch, topic, partition=partition)
        return int((await sent).offset)
