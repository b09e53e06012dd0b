"""An embedded broker: the in-memory cluster that librdkafka has for its own tests, on real sockets.

One broker, 4 partitions a topic, nothing kept: a partition holds at most some 5 MB, then forgets its oldest
records. It creates a topic when it is asked for its metadata, and only so.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from worker.demo.extra import DemoError, missing

MAX_HELD_BYTES: Final = 4 * 1024 * 1024
"""What may lie unread in one partition without the broker forgetting any of it."""

_ANSWER_S: Final = 5.0


@contextmanager
def embedded_broker(topics: Collection[str]) -> Iterator[str]:
    """Run a broker that has these topics for as long as the context lasts; give its `host:port`.

    Raises `DemoError` if the extra is not installed or the broker does not answer.
    """
    try:
        from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 - the extra may be missing
    except ImportError:
        raise missing("confluent-kafka") from None
    # The broker lives in this client, and as long as it. It logs at the level "notice" that it is a mock.
    client = Producer({"test.mock.num.brokers": 1, "log_level": 4})
    try:
        for topic in topics:
            client.list_topics(topic, timeout=_ANSWER_S)
        (broker,) = client.list_topics(timeout=_ANSWER_S).brokers.values()
    except KafkaException as error:
        raise DemoError(f"the embedded broker does not answer: {error}") from error
    try:
        yield f"{broker.host}:{broker.port}"
    finally:
        del client
