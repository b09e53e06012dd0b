"""Over TLS and with the least rights: everything works, and without them it is said what is missing."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.end_to_end.centre import HELSINKI, PATIENCE_S, Centre
from tests.security.places import DIALER, PASSWORDS, REDIS_PASSWORDS, WORKER, Places
from tests.services.redis import redis_cluster
from tests.services.secure_redis import user_rules
from worker.state.store import connect
from worker.stream.connection import KafkaConnection


def dialer(places: Places) -> KafkaConnection:
    return KafkaConnection(
        bootstrap=places.kafka.sasl,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username=DIALER,
        sasl_password=PASSWORDS[DIALER],
        ca_file=places.certificates.ca_file,
    )


async def test_worker_dialer_and_operator_get_by_with_the_documented_rights(guarded: Centre, places: Places) -> None:
    with places.redis.client() as redis:
        redis.execute_command("ACL", "LOG", "RESET")
    worker = await guarded.start_worker(**places.worker)
    request = {
        "type": "call-requested",
        "call_id": "dialed",
        "project_id": "spring",
        "contact_id": guarded.contact("by-dialer"),
        "phone": "+358401234567",
        "requested_at": "2026-11-24T10:00:00Z",
    }
    options = dialer(places).client_options()
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait("call-requested", json.dumps(request).encode(), request["contact_id"].encode())
        await producer.send_and_wait("call-outcome", b"rubbish, for the dead letters", b"k")
    async with AIOKafkaConsumer(
        "number-assigned", **options, group_id=DIALER, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(PATIENCE_S):
            async for record in consumer:
                reply = json.loads(record.value)
                if reply["contact_id"] == request["contact_id"]:
                    break
    assert reply["number"] == HELSINKI
    assert await worker.logged("dead_letter")
    explained = guarded.done("explain", "--from-topic", request["contact_id"])
    assert HELSINKI in explained
    assert await worker.stop() == 0
    with places.redis.client() as redis:
        denied = {entry["object"] for entry in redis.acl_log()}
    assert denied <= {"client|setinfo", "client"}, "redis-py says its name if it may"


async def test_a_cluster_needs_no_other_rights() -> None:
    with redis_cluster() as cluster:
        for node in cluster.nodes:
            with node.client() as client:
                for user, rules in user_rules(REDIS_PASSWORDS).items():
                    if user != "default":
                        client.execute_command("ACL", "SETUSER", user, *rules)
        store = await connect(cluster.url, buckets=48, username=WORKER, password=REDIS_PASSWORDS[WORKER])
        try:
            assert (await store.read({"a": ["1"]}))["a"].version == 0
            await store.ping()
            assert await store.replies_of("a") == {}
        finally:
            await store.close()


async def test_a_certificate_of_its_own_lets_the_worker_in(guarded: Centre, places: Places) -> None:
    own = places.certificates.client(WORKER)
    settings = {
        **places.worker,
        "OUTBOUND_KAFKA_BOOTSTRAP": places.kafka.mutual,
        "OUTBOUND_KAFKA_SECURITY_PROTOCOL": "SSL",
        "OUTBOUND_KAFKA_SASL_USERNAME": "",
        "OUTBOUND_KAFKA_SASL_PASSWORD": "",
        "OUTBOUND_KAFKA_CERT_FILE": str(own.cert_file),
        "OUTBOUND_KAFKA_KEY_FILE": str(own.key_file),
    }
    worker = await guarded.start_worker(**settings)
    assert (await guarded.call("spring", "by-certificate"))["number"] == HELSINKI
    assert await worker.stop() == 0


@pytest.mark.parametrize(
    ("operation", "resource", "name"),
    [
        ("READ", "TOPIC", "call-requested"),
        ("READ", "TOPIC", "routing-settings"),
        ("READ", "GROUP", "outbound-numbers"),
        ("WRITE", "TOPIC", "number-assigned"),
    ],
)
async def test_a_right_taken_away_ends_the_worker_which_names_it(
    guarded: Centre, places: Places, operation: str, resource: str, name: str
) -> None:
    worker = await guarded.start_worker(**places.worker)
    await guarded.call("spring", "before")
    with places.kafka.denied(WORKER, operation, resource, name):
        call_id = await guarded.request("spring", "meanwhile")
        async with asyncio.timeout(PATIENCE_S):
            assert await worker.process.wait() == 1
        text = worker.log.read_text()
        assert "Traceback" not in text
        assert "deploy/kafka-acls.sh" in text.splitlines()[-1]
        assert name in text.splitlines()[-1]
    again = await guarded.start_worker(**places.worker)
    await guarded.reply(guarded.contact("meanwhile"), call_id)
    assert await again.stop() == 0


async def test_a_password_of_redis_that_changes_ends_the_worker_which_says_so(guarded: Centre, places: Places) -> None:
    worker = await guarded.start_worker(**places.worker)
    await guarded.call("spring", "before-the-change")
    with places.redis.client() as redis:
        redis.execute_command("ACL", "SETUSER", WORKER, "resetpass", ">another")
        try:
            redis.execute_command("CLIENT", "KILL", "USER", WORKER)
            call_id = await guarded.request("spring", "after-the-change")
            async with asyncio.timeout(PATIENCE_S):
                assert await worker.process.wait() == 1
        finally:
            redis.execute_command("ACL", "SETUSER", WORKER, "resetpass", f">{REDIS_PASSWORDS[WORKER]}")
    last = worker.log.read_text().splitlines()[-1]
    assert "OUTBOUND_REDIS_PASSWORD" in last
    again = await guarded.start_worker(**places.worker)
    await guarded.reply(guarded.contact("after-the-change"), call_id)
    assert await again.stop() == 0
