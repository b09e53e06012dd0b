"""Batches of records whose headers may have any bytes as their keys; see `worker.stream.unpacking` for the reading.

aiokafka writes UTF-8 only. Its builder in Python asks each key to encode itself, and so can be given keys that know
better; it is the slower one, and for dead letters and their replay fast enough.
"""

from collections.abc import Iterable

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from worker.stream.unpacking import key_bytes


class AnyKeyBatch(BatchBuilder):  # type: ignore[misc] # aiokafka ships no type information
    """A batch for `AIOKafkaProducer.send_batch`, of at most `size_bytes` unless its first record is larger."""

    def __init__(self, size_bytes: int) -> None:
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
