"""Records in batches, also those whose headers have any bytes as their keys; see `worker.stream.unpacking`.

aiokafka writes UTF-8 only. Its builder in Python asks each key to encode itself, and so can be given keys that know
better; it is the slower one, and for dead letters and their replay fast enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import RecordMetadata

from worker.stream.unpacking import key_bytes

BATCH_BYTES: Final = 512 * 1024
"""Of one partition's records per request to a broker: below the brokers' default limit of 1 MiB a batch."""

Packed: TypeAlias = tuple[bytes | None, bytes | None, Iterable[tuple[str, bytes | None]]]
"""A record to be sent: its key, value and headers."""


async def send_in_batches(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    records: Iterable[Packed],
    create_batch: Callable[[], Any],
) -> int | None:
    """Send the records in order, in as few batches as hold them, and wait for the acknowledgements.

    Gives the offset that follows the last one, if the broker says so: to a batch that it has already it does not.
    Raises aiokafka's `KafkaError`.
    """
    acknowledgements: list[Awaitable[RecordMetadata]] = []
    batch = create_batch()
    for key, value, headers in records:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch.close()
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
            batch = create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)  # the first always fits
    batch.close()
    acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
    *_, last = await asyncio.gather(*acknowledgements)
    return last.offset + batch.record_count() if last.offset >= 0 else None


class AnyKeyBatch(BatchBuilder):  # type: ignore[misc] # aiokafka ships no type information
    """A batch for `send_in_batches`, of at most `size_bytes` unless its first record is larger."""

    def __init__(self, size_bytes: int = BATCH_BYTES) -> None:
        super().__init__(size_bytes, 0)
        self._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, size_bytes)  # as the base class makes its own

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
    ) -> object | None:
        """Add a record, if it fits: `None` says that it does not. The timestamp is in milliseconds, `None` is now."""
        keyed = [(_Key(name), content) for name, content in headers]
        added: object | None = super().append(timestamp=timestamp, key=key, value=value, headers=keyed)
        return added

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._builder.set_producer_state(producer_id, producer_epoch, base_sequence)


class _Key(str):
    """A header's key that encodes to the bytes which it was read from."""

    __slots__ = ()

    def encode(self, *_as_utf_8: object) -> bytes:
        return key_bytes(str(self))
