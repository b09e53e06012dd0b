"""The topic of dead letters, read back, and letters sent back to where they came from.

What was sent back is noted in the topic itself, beside the letters, since a record of Kafka cannot be changed.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from schemas import headers
from worker.stream.connection import KafkaConnection
from worker.stream.packing import AnyKeyBatch, Packed, send_in_batches
from worker.stream.reader import read_to_end
from worker.stream.topics import partitions_of

_CHUNK_BYTES: Final = 4 * 1024 * 1024
_CHUNK_LETTERS: Final = 500
"""How much is sent back before it is noted: what a replay that is killed may send twice."""

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter: where it is, the record as it was, where that came from, and why it is here.

    `at_ms` is when it was written, in milliseconds since 1970. What its headers do not tell is empty or `None`.
    """

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    topic: str
    source_partition: int | None
    source_offset: int | None
    stage: str
    error: str
    message: str
    omitted: str | None
    """How long the value was, if it had to be left out."""
    is_replayed: bool

    @property
    def contact_id(self) -> str | None:
        """Whose record it is: what the value says, else the key; `None` if neither can be read."""
        try:
            fields = json.loads(self.value or b"")
        except (ValueError, RecursionError):
            fields = None
        contact_id = fields.get("contact_id") if isinstance(fields, dict) else None
        if isinstance(contact_id, str):
            return contact_id
        return None if self.key is None else self.key.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which letters are meant; `None` is any. Times are in milliseconds since 1970, `until_ms` not included."""

    topic: str | None = None
    reason: str | None = None
    stage: str | None = None
    since_ms: float | None = None
    until_ms: float | None = None
    contact_id: str | None = None
    partition: int | None = None
    limit: int | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether the letter is one of those."""
        return (
            self.topic in (None, letter.topic)
            and self.stage in (None, letter.stage)
            and (self.reason is None or self.reason.lower() in letter.message.lower())
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
            and self.contact_id in (None, letter.contact_id)
        )


async def read_letters(connection: KafkaConnection, topic: str, choice: Choice) -> AsyncIterator[Letter]:
    """Give the letters that are chosen, by partition and offset, holding none of them.

    Raises `TopicMismatchError` if there is no such topic or partition, and `KafkaUnavailableError`.
    """
    count = await partitions_of(connection, topic)
    left = choice.limit
    for partition in range(count) if choice.partition is None else {choice.partition} & set(range(count)):
        async for letter in _read_partition(connection, topic, partition):
            if left == 0:
                return
            if choice.fits(letter):
                left = None if left is None else left - 1
                yield letter


async def _read_partition(connection: KafkaConnection, topic: str, partition: int) -> AsyncIterator[Letter]:
    try:
        replayed = {offset async for r in read_to_end(connection, topic, [partition]) if (offset := _noted(r))}
        async for record in read_to_end(connection, topic, [partition]):
            if _noted(record) is None:
                yield _letter(record, is_replayed=b"%d" % record.offset in replayed)
    except KafkaError as error:
        raise connection.unavailable(error) from error


async def replay(
    connection: KafkaConnection, topic: str, letters: AsyncIterator[Letter], *, max_request_size: int
) -> int:
    """Send letters back to the partition that each came from, in order, and note it; give how many.

    Key, value and headers are those of the original, without the headers that tell of errors. Each letter is sent
    before it is noted: a replay that is killed in between, started again, sends the latest once more. Raises
    `KafkaUnavailableError`.
    """
    sent = 0
    producer = AIOKafkaProducer(
        **connection.client_options(), acks="all", enable_idempotence=True, max_request_size=max_request_size
    )
    try:
        await producer.start()
        chunk: list[Letter] = []
        async for letter in letters:
            chunk.append(letter)
            if len(chunk) >= _CHUNK_LETTERS or sum(len(each.value or b"") for each in chunk) >= _CHUNK_BYTES:
                sent += await _send_back(producer, topic, chunk)
                chunk = []
        return sent + await _send_back(producer, topic, chunk)
    except KafkaError as error:
        raise connection.unavailable(error) from error
    finally:
        await producer.stop()


async def _send_back(producer: AIOKafkaProducer, topic: str, letters: Collection[Letter]) -> int:
    originals: defaultdict[tuple[str, int], list[Packed]] = defaultdict(list)
    notes: defaultdict[tuple[str, int], list[Packed]] = defaultdict(list)
    for each in letters:
        assert each.source_partition is not None  # noqa: S101 - for the type checker: `refusal` was asked
        originals[each.topic, each.source_partition].append((each.key, each.value, each.headers))
        notes[topic, each.partition].append((None, None, ((headers.REPLAYED, b"%d" % each.offset),)))
    await _send(producer, originals)
    await _send(producer, notes)
    return len(letters)


async def _send(producer: AIOKafkaProducer, records: Mapping[tuple[str, int], Sequence[Packed]]) -> None:
    await asyncio.gather(
        *(
            send_in_batches(producer, topic, partition, each, AnyKeyBatch)
            for (topic, partition), each in records.items()
        )
    )


def refusal(letter: Letter, partitions: Mapping[str, int]) -> str | None:
    """Why a letter cannot be sent back, or `None`. `partitions` tells how many the input topics have."""
    if letter.omitted is not None:
        return "without their value, which was too long to keep"
    if letter.topic not in partitions:
        return "not from a topic that the worker reads"
    if letter.source_partition is None or not 0 <= letter.source_partition < partitions[letter.topic]:
        return "from a partition that is not there"
    return None


def _noted(record: ConsumerRecord) -> bytes | None:
    """The offset that a note tells of; `None` if the record is no note."""
    if record.value is None and record.key is None and [name for name, _ in record.headers] == [headers.REPLAYED]:
        return record.headers[0][1] or b""
    return None


def _letter(record: ConsumerRecord, *, is_replayed: bool) -> Letter:
    told = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}  # the last one counts
    ours = (headers.VALUE_OMITTED,) if told.get(headers.VALUE_OMITTED) else ()
    return Letter(
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(
            (name, value)
            for name, value in record.headers
            if not name.startswith(headers.CONNECT_ERRORS) and name not in ours
        ),
        topic=told.get(headers.ERROR_TOPIC, ""),
        source_partition=_whole(told.get(headers.ERROR_PARTITION)),
        source_offset=_whole(told.get(headers.ERROR_OFFSET)),
        stage=told.get(headers.ERROR_STAGE, ""),
        error=told.get(headers.ERROR_CLASS, ""),
        message=told.get(headers.ERROR_MESSAGE, ""),
        omitted=told.get(headers.VALUE_OMITTED),
        is_replayed=is_replayed,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 20 else None  # noqa: PLR2004 - of 64 bits
