"""Fetched bytes to records: any bytes as a header's key, and batches that are damaged."""

import gzip
import struct
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from tests.odd_records import OddBatch
from worker.stream import unpacking
from worker.stream.unpacking import UnreadableBatch, UnreadableBatchError, key_bytes, require_readable

TP = TopicPartition("call-requested", 3)
LATIN_1 = "käyttäjä".encode("latin-1")


def placed(batch: bytes, offset: int) -> bytes:
    """The batch as a broker keeps it: its base offset is not part of the checksum."""
    return struct.pack(">q", offset) + batch[8:]


def plain(*values: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for n, value in enumerate(values):
        builder.append(n, 1_000 + n, b"k", value, [("trace", b"t-1")])
    return bytes(builder.build())


def fetched(data: bytes, at: int = 0) -> Any:
    """What a fetch from an offset brought, as aiokafka unpacks it for every consumer of this process."""
    options = {"check_crcs": True, "isolation_level": fetcher.READ_COMMITTED, "aborted_transactions": []}
    no_deserializers = {"key_deserializer": None, "value_deserializer": None}
    return fetcher.PartitionRecords(TP, fetcher.MemoryRecords(data), fetch_offset=at, **options, **no_deserializers)


def unpack(data: bytes, at: int = 0) -> list[Any]:
    return list(fetched(data, at))


def damaged(batch: bytes) -> bytes:
    return batch[:-1] + bytes([batch[-1] ^ 1])


def test_a_header_key_that_is_not_utf_8_keeps_its_bytes_and_all_else_of_the_record() -> None:
    odd = OddBatch()
    odd.add(b"key", b"value", [(LATIN_1, b"1"), (b"trace", None)], at_ms=5)
    odd.add(None, None, [], at_ms=7)
    first, second = unpack(placed(odd.built(), 40), at=40)
    assert [(key_bytes(name), value) for name, value in first.headers] == [(LATIN_1, b"1"), (b"trace", None)]
    assert (first.topic, first.partition, first.offset, first.timestamp) == ("call-requested", 3, 40, 5)
    assert (first.key, first.value) == (b"key", b"value")
    assert (second.offset, second.timestamp, second.key, second.value, second.headers) == (41, 7, None, None, ())


@given(st.lists(st.tuples(st.binary(min_size=3), st.none() | st.binary(max_size=3)), max_size=5))
def test_any_bytes_are_a_header_key(headers: list[tuple[bytes, bytes | None]]) -> None:
    odd = OddBatch()
    odd.add(b"k", b"v", headers)
    (record,) = unpack(odd.built())
    assert [(key_bytes(name), value) for name, value in record.headers] == headers


def test_batches_before_and_after_an_odd_one_are_read_too_and_a_fetch_may_begin_in_the_midst_of_it() -> None:
    odd = OddBatch()
    odd.add(b"k", b"2", [])
    odd.add(b"k", b"3", [(LATIN_1, b"")])
    odd.add(b"k", b"4", [])
    later = placed(odd.built(), 2) + placed(plain(b"5"), 5)
    data = plain(b"0", b"1") + later
    assert [record.value for record in unpack(data)] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [record.value for record in unpack(later, at=3)] == [b"3", b"4", b"5"]


def test_a_compressed_batch_may_have_odd_header_keys() -> None:
    odd = OddBatch()
    odd.add(b"k", b"v", [(LATIN_1, b"1")])
    batch = odd.built()
    body = gzip.compress(batch[61:])
    counted = struct.pack(">h", 1) + batch[23:61] + body
    compressed = batch[:8] + struct.pack(">i", 49 + len(body)) + batch[12:17]
    (record,) = unpack(compressed + struct.pack(">I", calc_crc32c(counted)) + counted)
    assert [key_bytes(name) for name, _ in record.headers] == [LATIN_1]


def test_a_damaged_batch_ends_the_records_with_a_note_of_its_place() -> None:
    data = plain(b"0", b"1") + placed(damaged(plain(b"2")), 2) + placed(plain(b"3"), 3)
    first, second, unreadable = unpack(data)
    assert (first.value, second.value) == (b"0", b"1")
    assert isinstance(unreadable, UnreadableBatch)
    assert unreadable[:3] == ("call-requested", 3, 2)
    assert "CRC" in unreadable.reason


def test_a_damaged_batch_is_read_again_and_nothing_before_it() -> None:
    records = fetched(plain(b"0") + placed(damaged(plain(b"1")), 1))
    assert len(list(records)) == 2
    assert records.next_fetch_offset == 1


@given(st.data())
def test_no_bytes_make_a_fetch_raise(data: st.DataObject) -> None:
    batch = bytearray(plain(b"0", b"1"))
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.integers(16, len(batch) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):  # damaged before the checksum was made, not after
        struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    unpack(bytes(batch))


def test_readers_that_end_with_an_error_name_the_place() -> None:
    require_readable([])
    require_readable(unpack(plain(b"0")))
    with pytest.raises(UnreadableBatchError, match=r"call-requested-3 at offset 1: .*CRC"):
        require_readable(unpack(plain(b"0") + placed(damaged(plain(b"1")), 1)))


def test_the_fast_parser_reads_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(unpacking, "_LenientBatch")
    assert [record.value for record in unpack(plain(b"0", b"1"))] == [b"0", b"1"]
