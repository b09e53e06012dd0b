"""Topics read whole, from their beginning to their end, by librdkafka."""

import time
from typing import Final, Literal, NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from worker.stream.replies import read_source

PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.2

Isolation = Literal["read_uncommitted", "read_committed"]


class Record(NamedTuple):
    """A record in a log. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> bytes:
        """The value of a header, empty if there is none."""
        return dict(self.headers).get(name, b"")

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}:{self.offset}"


def source_of(reply: Record) -> int:
    """The offset of the request that a reply says it answers; -1 if it says nothing."""
    source = read_source(reply)
    return -1 if source is None else source.offset


def record_of(message: Message) -> Record:
    """A record as librdkafka gives it."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        _bytes(message.key()),
        _bytes(message.value()),
        tuple((name, value or b"") for name, value in headers),
    )


def read_log(bootstrap: str, topic: str, isolation: Isolation = "read_uncommitted") -> list[Record]:
    """All records of a topic, each partition's in order, up to where the logs end now."""
    consumer = _consumer(bootstrap, "logs", isolation)
    try:
        partitions = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in partitions])
        records: list[Record] = []
        ended: set[int | None] = set()
        deadline_s = time.monotonic() + PATIENCE_S
        while len(ended) < len(partitions):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the end of {topic} is not reached: only that of the partitions {ended}")
            for message in consumer.consume(1_000, _POLL_S):
                error = message.error()
                if error is None:
                    records.append(record_of(message))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the name that the library gives it
                    ended.add(message.partition())
                else:
                    raise KafkaException(error)
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def uncommitted(bootstrap: str, group_id: str, topics: list[str]) -> list[str]:
    """Where the group has not committed the whole log, in words."""
    consumer = _consumer(bootstrap, group_id, "read_uncommitted")
    try:
        tps = [
            TopicPartition(topic, index)
            for topic in topics
            for index in consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        ]
        found = []
        for tp in consumer.committed(tps, timeout=PATIENCE_S):
            _, end = consumer.get_watermark_offsets(tp, timeout=PATIENCE_S)
            if max(tp.offset, 0) != end:
                found.append(f"{tp.topic}/{tp.partition} is committed up to {tp.offset} of {end}")
        return found
    finally:
        consumer.close()


def _consumer(bootstrap: str, group_id: str, isolation: Isolation) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group_id,
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
