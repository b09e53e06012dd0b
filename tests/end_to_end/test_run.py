"""The worker as a process: replies, repeats, bad records, settings that change, health, and its end."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from tests.end_to_end.centre import HELSINKI, PATIENCE_S, PHONE, TAMPERE, Centre
from tests.integration.test_publisher import BROKER_LIMIT
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}]
projects:
  - {{project_id: spring, numbers: ["{HELSINKI}", "{TAMPERE}"], number_for_first_call: "{HELSINKI}"}}
"""


@pytest.fixture(scope="module")
async def running(
    kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("running"))
    await centre.open(SETTINGS)
    yield centre
    await centre.close()


async def dead_letters(centre: Centre, count: int) -> list[ConsumerRecord]:
    """The newest dead letters, once there are so many."""
    consumer = AIOKafkaConsumer(
        centre.topic("dead-letters"),
        bootstrap_servers=centre.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=PATIENCE_S * 1_000,
    )
    await consumer.start()
    try:
        records: list[ConsumerRecord] = []
        while len(records) < count:
            records.append(await consumer.getone())
        return records
    finally:
        await consumer.stop()


async def test_a_call_asked_again_gets_a_second_record_of_the_same_bytes(running: Centre) -> None:
    await running.call("spring", "again-1", call_id="again")
    await running.request("spring", "again-1", call_id="again", phone="+15125550100", agent_id="other")
    await running.reply(running.contact("again-1"), "again", count=2)
    first, second = running.replies[running.contact("again-1"), "again"]
    assert first.value == second.value
    later = await running.call("spring", "again-1")
    assert later["attempt"] == 2


async def test_a_request_under_any_key_is_answered_on_its_own_partition(running: Centre) -> None:
    contact_id = running.contact("placed")
    value = json.dumps(
        {
            "type": "call-requested",
            "call_id": "placed",
            "project_id": "spring",
            "contact_id": contact_id,
            "phone": PHONE,
            "requested_at": "2026-11-24T10:00:00Z",
        }
    ).encode()
    for partition in (3, 7):
        await running.send("call-requested", value, b"another key", partition=partition)
    await running.send("call-requested", value, None, partition=11)
    await running.reply(contact_id, "placed", count=3)
    replies = running.replies[contact_id, "placed"]
    assert sorted((reply.partition, reply.key) for reply in replies) == [
        (3, contact_id.encode()),
        (7, contact_id.encode()),
        (11, contact_id.encode()),
    ]
    assert len({reply.value for reply in replies}) == 1


async def test_a_bad_request_is_rejected_and_kept_as_a_dead_letter_byte_for_byte(running: Centre) -> None:
    value = b'{"type": "call-requested",  "call_id": "bad-1", "contact_id": "bad", "requested_at": 5}'
    await running.send("call-requested", value, b"bad", partition=2)
    rejection = json.loads((await running.reply("bad", "bad-1")).value)
    assert (rejection["type"], rejection["reason"]) == ("assignment-rejected", "invalid_request")
    assert (rejection["contact_id"], rejection["project_id"]) == ("bad", None)
    (letter,) = [letter for letter in await dead_letters(running, 1) if letter.value == value]
    assert letter.key == b"bad"
    headers = dict(letter.headers)
    assert headers["trace"] == b"t-1"
    assert headers["__connect.errors.topic"] == running.topic("call-requested").encode()
    assert headers["__connect.errors.partition"] == b"2"
    assert headers["__connect.errors.offset"].isdigit()
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert b"ValidationError" in headers["__connect.errors.exception.class.name"]
    assert b"project_id" in headers["__connect.errors.exception.message"]


async def test_rubbish_stops_nothing(running: Centre) -> None:
    for value in (b"\xff\x00 rubbish", b"", None, b"[1]"):
        await running.send("call-requested", value, b"rubbish")
        await running.send("call-outcome", value, b"rubbish")
    assert (await running.call("spring", "rubbish"))["number"] == HELSINKI
    letters = await dead_letters(running, 8)
    assert [letter.value for letter in letters].count(b"\xff\x00 rubbish") == 2


async def test_ids_of_any_unicode_are_answered(running: Centre) -> None:
    for contact in ("{1}", "a\nb", " ", "\u0000", "ж" * 900, "a:b", "😀{42}:reply:"):
        assert (await running.call("spring", contact, call_id=contact))["number"] == HELSINKI


async def test_a_change_of_the_settings_is_in_force_without_a_restart(running: Centre) -> None:
    before = await running.call("spring", "changed-1")
    try:
        running.apply(SETTINGS.replace(f'number_for_first_call: "{HELSINKI}"', f'number_for_first_call: "{TAMPERE}"'))
        contact = 0
        while (after := await running.call("spring", f"changed-{contact}"))["settings_version"] == before[
            "settings_version"
        ]:
            contact += 1
        assert after["rule"] == "first_call_number" or after["attempt"] > 1
        assert (await running.call("spring", "changed-new"))["number"] == TAMPERE
    finally:
        running.apply(SETTINGS)


async def test_health_and_metrics_are_served(running: Centre) -> None:
    worker = running.workers[0]
    await running.call("spring", "metrics-1")
    await worker.logged("batch")
    assert (await worker.get("/livez"))[0] == 200
    status, body = await worker.get("/readyz")
    assert (status, set(json.loads(body).values())) == (200, {True})
    _, metrics = await worker.get("/metrics")
    for name in (
        'outbound_assignments_total{rule="first_call_number"}',
        "outbound_dead_letters_total",
        "outbound_conflicts_total",
        "outbound_batch_records_bucket",
        'outbound_stage_seconds_bucket{le="0.001",stage="write_state"}',
        "outbound_lag_records{",
        "outbound_settings_version",
    ):
        assert name in metrics
    assert (await worker.get("/elsewhere"))[0] == 404


async def test_logs_are_json_lines_with_personal_data_masked(running: Centre) -> None:
    await running.call("autumn", "secret-contact", phone="+358401234567")
    rejected = await running.workers[0].logged("call_rejected")
    assert all(line["contact_id"].startswith("#") for line in rejected)
    text = running.workers[0].log.read_text()
    assert "secret-contact" not in text
    assert "358401234567" not in text
    batch, *_ = await running.workers[0].logged("batch")
    assert {"records", "assigned", "conflicts", "publish_ms"} <= set(batch)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_worker_in_good_order(centre: Centre, number: signal.Signals) -> None:
    await centre.open(SETTINGS, partitions=2)
    await centre.call("spring", "before")
    assert await centre.workers[0].stop(number) == 0
    assert "Traceback" not in centre.workers[0].log.read_text()
    call_id = await centre.request("spring", "after")
    await centre.start_worker()
    await centre.reply(centre.contact("after"), call_id)
    await centre.call("spring", "last")
    assert {len(replies) for replies in centre.replies.values()} == {1}, "what was committed came again"


async def test_one_topic_may_carry_both_types(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> None:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    centre.environment["OUTBOUND_TOPIC_CALL_OUTCOME"] = centre.topic("call-requested")
    try:
        await centre.open(SETTINGS, partitions=2)
        call = await centre.call("spring", "shared")
        await centre.outcome("spring", "shared", call["call_id"], "busy", next_number=TAMPERE)
        reply = await centre.call("spring", "shared")
        assert (reply["rule"], reply["number"]) == ("outcome_number", TAMPERE)
    finally:
        await centre.close()


def test_a_worker_without_topics_says_how_to_create_them(centre: Centre) -> None:
    result = centre.command("run", "--http-port", "1")
    assert result.returncode == 1
    assert "topics create" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("variable", "place"), [("OUTBOUND_KAFKA_BOOTSTRAP", "localhost:1"), ("OUTBOUND_REDIS_URL", "redis://localhost:1")]
)
def test_a_server_that_is_not_there_is_named(centre: Centre, variable: str, place: str) -> None:
    centre.done("topics", "create", "--partitions", "1", "--replication-factor", "1")
    centre.environment[variable] = place
    result = centre.command("run")
    assert result.returncode == 1
    assert "localhost:1" in result.stderr
    assert variable in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("run", "--state-buckets", "many"), ("run", "--no-such-flag"), ("nothing",)])
def test_wrong_use_exits_with_2(centre: Centre, arguments: tuple[str, ...]) -> None:
    result = centre.command(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_the_help_of_run_names_every_setting(centre: Centre) -> None:
    from worker.config import Config  # noqa: PLC0415 - only here

    text = centre.done("run", "--help")
    for name in Config.model_fields:
        assert f"OUTBOUND_{name.upper()}" in text.replace("\n", "").replace(" ", ""), name


async def test_records_as_large_as_the_brokers_take_are_handled_and_kept(centre: Centre, kafka_bootstrap: str) -> None:
    await centre.open(SETTINGS)
    padding = "x" * (BROKER_LIMIT - 2_000)
    first = await centre.call("spring", "anna", more=padding)
    await centre.outcome("spring", "anna", first["call_id"], "busy", next_number=TAMPERE, more=padding)
    contact_id = centre.contact("bert").encode()
    misfit = json.dumps({"type": "call-requested", "call_id": "c", "more": padding}).encode()
    await centre.send("call-requested", misfit, contact_id)
    await centre.reply(None, "c")
    again = await centre.call("spring", "anna")
    assert (again["attempt"], again["rule"]) == (2, "outcome_number")
    letters = read_to_end(KafkaConnection(bootstrap=kafka_bootstrap), centre.topic("dead-letters"))
    assert [letter.value async for letter in letters] == [misfit]


async def test_a_port_that_is_taken_is_named_and_nothing_else_is_complained_of(running: Centre) -> None:
    [worker] = running.workers
    result = running.command("run", "--http-port", str(worker.port))
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{worker.port}" in result.stderr
    assert "Unclosed" not in result.stderr
    assert "Traceback" not in result.stderr
