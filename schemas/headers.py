"""Names of the record headers that the worker writes. The values are text in UTF-8."""

from typing import Final

SOURCE: Final = "outbound-source"
"""On every reply: `<topic>:<offset>:<timestamp in ms>` of the request record that it answers, on its own partition
index.

A replica that takes a partition over learns from it what was published before; and a rebuild, in which order.
"""

# On dead letters, named and spelled as the dead letter queues of Kafka Connect do, so that their tools read ours.
ERROR_TOPIC: Final = "__connect.errors.topic"
ERROR_PARTITION: Final = "__connect.errors.partition"
ERROR_OFFSET: Final = "__connect.errors.offset"
ERROR_STAGE: Final = "__connect.errors.stage"
ERROR_CLASS: Final = "__connect.errors.exception.class.name"
ERROR_MESSAGE: Final = "__connect.errors.exception.message"

VALUE_OMITTED: Final = "outbound-value-omitted"
"""On a dead letter without its value, since the topic would not take it any more: how long it was, `<n> bytes`."""

REPLAYED: Final = "outbound-replayed"
"""Alone on a record without key and value in `dead-letters`: the offset, in the same partition, of the letter that
`dead-letters replay` has sent back. It is how a second replay knows."""

CONNECT_ERRORS: Final = "__connect.errors."
"""What the names of all headers begin with that tell of an error."""
