"""`dead-letters`: what did not fit is listed, shown and sent back."""

import json
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from tests.end_to_end.centre import HELSINKI, Centre
from tests.odd_records import OddBatch, send_odd
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end
from worker.stream.unpacking import key_bytes

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}]
projects: [{{project_id: spring, numbers: ["{HELSINKI}"]}}]
"""

HEADERS = [("käyttäjä".encode("latin-1"), b"1"), (b"trace", b"t-9")]
REQUEST = (
    b'{"type": "call-requested", "call_id": "bad-1", "contact_id": "anna@example", "phone": "+358401234567", "n": 5}'
)
OUTCOME = b"\xff\x00 no JSON"


@pytest.fixture
async def letters(centre: Centre) -> Centre:
    """A centre with two dead letters: a request, on partition 1, and an outcome, on partition 0."""
    await centre.open(SETTINGS, partitions=2)
    for topic, partition, key, value in (
        ("call-requested", 1, b"anna@example", REQUEST),
        ("call-outcome", 0, None, OUTCOME),
    ):
        batch = OddBatch()
        batch.add(key, value, HEADERS)
        await send_odd(centre.kafka_bootstrap, centre.topic(topic), partition, batch)
    await centre.reply("anna@example", "bad-1")
    await until_listed(centre, 2)
    return centre


async def until_listed(centre: Centre, count: int) -> list[dict[str, Any]]:
    while True:
        listed = [json.loads(line) for line in centre.done("dead-letters", "list", "--json").splitlines()]
        if len(listed) >= count:
            return listed


async def source(centre: Centre, topic: str) -> list[ConsumerRecord]:
    connection = KafkaConnection(bootstrap=centre.kafka_bootstrap)
    return [record async for record in read_to_end(connection, centre.topic(topic))]


def places(centre: Centre, *options: str) -> list[str]:
    return [line.split()[0] for line in centre.done("dead-letters", "list", *options).splitlines()]


async def test_letters_are_listed_by_what_is_asked_for(letters: Centre) -> None:
    assert places(letters) == ["0:0", "1:0"]
    assert places(letters, "--limit", "1") == ["0:0"]
    chosen = ("--reason", "PROJECT_ID", "--contact", "anna@example", "--since", "2020-01-01T00:00:00Z")
    assert places(letters, *chosen) == ["1:0"]
    told = letters.done("dead-letters", "list", "--partition", "1")
    assert f"{letters.topic('call-requested')}-1@0" in told
    assert "anna@example" not in told
    assert "anna@example" in letters.done("dead-letters", "list", "--personal-data")


async def test_a_letter_is_shown_whole_and_personal_data_only_if_asked_for(letters: Centre) -> None:
    masked = letters.done("dead-letters", "show", "1:0")
    for secret in ("anna@example", "358401234567", "bad-1", "t-9"):
        assert secret not in masked
    assert '"type": "call-requested"' in masked
    assert "project_id: Field required" in masked
    whole = letters.done("dead-letters", "show", "1:0", "--personal-data")
    assert f"value: {REQUEST.decode()}" in whole
    assert "key: anna@example" in whole
    assert f"header hex {HEADERS[0][0].hex()}: 1" in whole
    assert "header trace: t-9" in whole
    assert "no JSON" not in letters.done("dead-letters", "show", "0:0")
    assert f"value: hex {OUTCOME.hex()}" in letters.done("dead-letters", "show", "0:0", "--personal-data")


async def test_letters_are_sent_back_once_with_the_bytes_of_the_original(letters: Centre) -> None:
    first = ("dead-letters", "replay", "--topic", letters.topic("call-requested"))
    assert "To send back: 1" in letters.done(*first, "--dry-run")
    assert letters.command(*first, stdin="n\n").returncode == 1
    assert len(await source(letters, "call-requested")) == 1
    assert "Sent back: 1" in letters.done(*first, "--yes")
    original, again = await source(letters, "call-requested")
    assert (again.partition, again.key, again.value) == (1, b"anna@example", REQUEST)
    assert [(key_bytes(name), value) for name, value in again.headers] == HEADERS
    assert again.timestamp >= original.timestamp
    await letters.reply("anna@example", "bad-1", count=2)  # the worker has read it: refused again, and a new letter
    listed = await until_listed(letters, 3)
    assert [(each["partition"], each["topic"], each["replayed"]) for each in listed] == [
        (0, letters.topic("call-outcome"), False),
        (1, letters.topic("call-requested"), True),
        (1, letters.topic("call-requested"), False),
    ]
    told = letters.done(*first, "--limit", "1", "--dry-run")
    assert "To send back: 0" in told
    assert "Left out: 1 sent back before" in told
    assert "To send back: 1" in letters.done(*first, "--limit", "1", "--again", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "1"), 2, "PARTITION:OFFSET"),
        (("show", "1:99"), 1, "no dead letter at 1:99"),
        (("list", "--since", "yesterday"), 2, "no time with an offset"),
        (("list", "--since", "2026-11-24T10:00:00"), 2, "no time with an offset"),
        (("list", "--limit", "0"), 2, "--limit"),
    ],
)
def test_what_cannot_be_asked_for_is_told(centre: Centre, arguments: tuple[str, ...], code: int, words: str) -> None:
    centre.done("topics", "create", "--partitions", "2", "--replication-factor", "1")
    result = centre.command("dead-letters", *arguments)
    assert (result.returncode, words in result.stderr) == (code, True), result.stderr


def test_topics_that_are_not_there_are_named(centre: Centre) -> None:
    for arguments in (("list",), ("show", "0:0"), ("replay", "--yes")):
        result = centre.command("dead-letters", *arguments)
        assert result.returncode == 1
        assert "topics create" in result.stderr
