"""The AsyncAPI 3 document: topics, keys, headers and messages, seen from the worker."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from schemas import headers
from schemas.fields import MAX_ID_LENGTH
from schemas.json_schema import RECORD_TYPES, components

VERSION: Final = "1.0.0"
"""Of the contract, not of the worker: a new optional field raises the second part, a breaking change the first."""

_BINDING_VERSION: Final = "0.5.0"
_KEY_ID: Final = rf"[\s\S]{{1,{MAX_ID_LENGTH}}}"
_CONTACT_KEY: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_LENGTH,
    "description": "The contact_id, in UTF-8. With another key, or none, a request is answered all the same, but only "
    "the key keeps a contact's events in order.",
}

Json = dict[str, Any]
Examples = Mapping[str, Mapping[str, object]]
"""By record type and name."""


class _Topic(NamedTuple):
    description: str
    messages: Sequence[str]
    binding: Json


class _Operation(NamedTuple):
    action: str
    topic: str
    summary: str
    reply_topic: str | None = None


_CALLS: Final[Json] = {"topicConfiguration": {"cleanup.policy": ["delete"]}}
_TOPICS: Final[Mapping[str, _Topic]] = {
    "call-requested": _Topic(
        "Calls about to be made. The four call topics have the same number of partitions. May be one topic with "
        "call-outcome; then the order of the two is strict, otherwise that of the record timestamps.",
        ("call-requested",),
        _CALLS,
    ),
    "call-outcome": _Topic("How calls ended.", ("call-outcome",), _CALLS),
    "number-assigned": _Topic(
        "One reply to each call request, an assignment or a rejection, on the partition with the request's index and "
        "in request order.",
        ("number-assigned", "assignment-rejected"),
        _CALLS,
    ),
    "routing-settings": _Topic(
        "The settings, always in partition 0. The latest record of a key is in force; one without a value deletes it.",
        ("number", "project", "agent", "outcome", "deleted"),
        {"partitions": 1, "topicConfiguration": {"cleanup.policy": ["compact"]}},
    ),
    "dead-letters": _Topic(
        "Input records that do not fit the contract, byte for byte. At least once.", ("dead-letter",), _CALLS
    ),
}

_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "assign-number": _Operation(
        "receive", "call-requested", "Choose the number that a call shows, and say so.", "number-assigned"
    ),
    "learn-outcome": _Operation("receive", "call-outcome", "Let an outcome bear on the contact's next call."),
    "follow-settings": _Operation("receive", "routing-settings", "Keep to the settings in force."),
    "reply": _Operation("send", "number-assigned", "Answer a call request."),
    "set-aside": _Operation("send", "dead-letters", "Keep an input record that does not fit, and say why."),
}

_SETTINGS_KEYS: Final[Mapping[str, str]] = {
    "number": r"^number:\+[1-9][0-9]{1,14}$",
    "project": f"^project:{_KEY_ID}$",
    "agent": f"^agent:{_KEY_ID}$",
    "outcome": f"^outcome:{_KEY_ID}$",
}

_REPLY_HEADERS: Final[Json] = {
    "type": "object",
    "required": [headers.SOURCE],
    "properties": {
        headers.SOURCE: {
            "type": "string",
            "pattern": "^[a-zA-Z0-9._-]{1,249}:[0-9]+:-?[0-9]+$",
            "description": "Topic, offset and timestamp (ms) of the request record that is answered; its partition "
            "index is the reply's own. A replica that takes a partition over learns from it what was published.",
        }
    },
}

_DEAD_LETTER_HEADERS: Final[Json] = {
    "type": "object",
    "description": "The record's own headers, then these, named as Kafka Connect names them. Numbers are decimal text.",
    "required": [
        headers.ERROR_TOPIC,
        headers.ERROR_PARTITION,
        headers.ERROR_OFFSET,
        headers.ERROR_STAGE,
        headers.ERROR_CLASS,
        headers.ERROR_MESSAGE,
    ],
    "properties": {
        headers.ERROR_TOPIC: {"type": "string", "description": "The topic that the record was read from."},
        headers.ERROR_PARTITION: {"type": "string", "pattern": "^[0-9]+$", "description": "Its partition."},
        headers.ERROR_OFFSET: {"type": "string", "pattern": "^[0-9]+$", "description": "Its offset."},
        headers.ERROR_STAGE: {"type": "string", "description": "What failed, in Connect's words."},
        headers.ERROR_CLASS: {"type": "string", "description": "The exception's class."},
        headers.ERROR_MESSAGE: {"type": "string", "description": "What does not fit, by field, without the values."},
        headers.VALUE_OMITTED: {
            "type": "string",
            "pattern": "^[0-9]+ bytes$",
            "description": "Only on a record that the topic no longer takes with its value: the value's length.",
        },
    },
}

_DEAD_LETTER_EXAMPLE: Final[Json] = {
    "name": "time-without-offset",
    "headers": {
        headers.ERROR_TOPIC: "call-outcome",
        headers.ERROR_PARTITION: "3",
        headers.ERROR_OFFSET: "41872",
        headers.ERROR_STAGE: "VALUE_CONVERTER",
        headers.ERROR_CLASS: "pydantic_core._pydantic_core.ValidationError",
        headers.ERROR_MESSAGE: "call-outcome.occurred_at: Input should be an RFC 3339 time with an offset",
    },
    "payload": '{"type": "call-outcome", "call_id": "call-8f1c", "occurred_at": "2026-03-02T09:15:00"}',
}


def asyncapi(examples: Examples) -> Json:
    """The document. `examples` are valid records, by record type and name."""
    references, schemas = components("#/components/schemas/{model}")
    messages = {each: _message(each, references[each], examples[each]) for each in RECORD_TYPES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Outbound number selection",
            "version": VERSION,
            "description": "Which of a call centre's numbers a contact sees: a dialer asks with call-requested, tells "
            "with call-outcome how calls ended, and reads the answers from number-assigned. Unknown fields are "
            "ignored. The names of the topics are the default ones.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, topic) for name, topic in _TOPICS.items()},
        "operations": {name: _operation(operation) for name, operation in _OPERATIONS.items()},
        "components": {
            "messages": {**messages, "deleted": _deleted(), "dead-letter": _dead_letter()},
            "schemas": schemas,
        },
    }


def _channel(name: str, topic: _Topic) -> Json:
    return {
        "address": name,
        "description": topic.description,
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in topic.messages},
        "bindings": {"kafka": {"topic": name, **topic.binding, "bindingVersion": _BINDING_VERSION}},
    }


def _operation(operation: _Operation) -> Json:
    described = {
        "action": operation.action,
        "channel": {"$ref": f"#/channels/{operation.topic}"},
        "summary": operation.summary,
        "messages": _messages_of(operation.topic),
    }
    if operation.reply_topic is not None:
        described["reply"] = {
            "channel": {"$ref": f"#/channels/{operation.reply_topic}"},
            "messages": _messages_of(operation.reply_topic),
        }
    return described


def _messages_of(topic: str) -> list[Json]:
    return [{"$ref": f"#/channels/{topic}/messages/{each}"} for each in _TOPICS[topic].messages]


def _message(record_type: str, reference: Json, examples: Mapping[str, object]) -> Json:
    model, mode = RECORD_TYPES[record_type]
    is_reply = mode == "serialization"
    key = {"type": "string", "pattern": _SETTINGS_KEYS[record_type]} if record_type in _SETTINGS_KEYS else _CONTACT_KEY
    message = _described(record_type, model.__doc__ or "", key)
    if is_reply:
        message["headers"] = _REPLY_HEADERS
    if record_type not in _SETTINGS_KEYS:
        message["correlationId"] = {"location": "$message.payload#/call_id"}
    shown = {"headers": {headers.SOURCE: "call-requested:41871:1764057600000"}} if is_reply else {}
    message["payload"] = reference
    message["examples"] = [{"name": name, **shown, "payload": payload} for name, payload in examples.items()]
    return message


def _deleted() -> Json:
    key = {"type": "string", "pattern": f"^(number|project|agent|outcome):{_KEY_ID}$"}
    return {
        **_described("deleted", "A tombstone: the settings record of this key is no longer in force.", key),
        "payload": {"type": "null"},
    }


def _dead_letter() -> Json:
    key = {"description": "The record's own, byte for byte; it may have none."}
    return {
        **_described("dead-letter", "An input record that does not fit, and why.", key),
        "contentType": "application/octet-stream",
        "headers": _DEAD_LETTER_HEADERS,
        "payload": {"description": "The record's own value, byte for byte, unless it was left out."},
        "examples": [_DEAD_LETTER_EXAMPLE],
    }


def _described(name: str, doc: str, key: Json) -> Json:
    return {
        "name": name,
        "summary": doc.partition("\n")[0],
        "contentType": "application/json",
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING_VERSION}},
    }
