"""The corpus: each record by itself, then all of them through the real worker and real topics."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer

from schemas import headers
from schemas.events import REPLY
from tests.end_to_end.centre import HELSINKI, PATIENCE_S, TAMPERE, Centre
from tests.fuzz import corpus
from tests.fuzz.corpus import Nasty
from tests.fuzz.handling import handle
from tests.fuzz.test_records import assert_fits_the_contract
from worker.settings.fold import Fold
from worker.stream.connection import KafkaConnection
from worker.stream.reader import read_to_end
from worker.stream.unpacking import FetchedRecord

SETTINGS: Final = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}]
projects:
  - {{project_id: spring, numbers: ["{HELSINKI}", "{TAMPERE}"], number_for_first_call: "{HELSINKI}"}}
"""

ANSWERED, REJECTED, UNANSWERED = (corpus.of(kind) for kind in ("answered", "rejected", "unanswered"))


def cases(records: list[Nasty]) -> list[Any]:
    return [pytest.param(each, id=each.name) for each in records]


def handled(nasty: Nasty) -> tuple[list[bytes | None], list[bytes | None]]:
    """The values of the replies to a record and of its dead letters."""
    sent = handle([FetchedRecord(nasty.topic, 0, 0, 1_795_000_000_000, b"key", nasty.value, ())])
    for _, reply in sent.replies:
        assert_fits_the_contract(reply.value)
    return [reply.value for _, reply in sent.replies], [letter.value for _, letter in sent.dead_letters]


def call_id_of(nasty: Nasty) -> str:
    """The name, which is the call's id unless the record has another for its reason."""
    odd = {
        "call-id-longest": "c" * 1_000,
        "every-id-escaped": "\x01" * 1_000,
        "call-id-with-quotes": "\"\\'{}:*?[a]\0\n",
        "call-id-with-byte-order-mark": "\ufeffcall",
        "call-id-with-raw-nul": "call-id-with-raw-nul\0",
    }
    return odd.get(nasty.name, nasty.name)


@pytest.mark.parametrize("nasty", cases(ANSWERED))
def test_what_fits_is_answered(nasty: Nasty) -> None:
    (reply,), letters = handled(nasty)
    assert letters == []
    assert REPLY.validate_json(reply or b"").call_id == call_id_of(nasty)
    assert json.loads(reply or b"").get("reason") != "invalid_request"


@pytest.mark.parametrize("nasty", cases(REJECTED))
def test_what_does_not_fit_is_rejected_if_its_call_id_can_be_read(nasty: Nasty) -> None:
    (reply,), letters = handled(nasty)
    assert letters == [nasty.value]
    fields = json.loads(reply or b"")
    assert (fields["call_id"], fields["reason"]) == (call_id_of(nasty), "invalid_request")
    assert fields["contact_id"] in ("corpus", None)


@pytest.mark.parametrize("nasty", cases(UNANSWERED))
def test_what_cannot_be_answered_is_a_dead_letter(nasty: Nasty) -> None:
    assert handled(nasty) == ([], [nasty.value])


@pytest.mark.parametrize("kind", ["taken", "refused"])
def test_settings_records_are_taken_or_refused(kind: str) -> None:
    for name, (key, value) in corpus.settings_of(kind).items():
        fold = Fold()
        refusal = fold.fold(0, key, value)
        assert (refusal is None) == (kind == "taken"), name
        assert len(fold.records()) == (kind == "taken"), name


@pytest.fixture
async def open_centre(kafka_bootstrap: str, clean_redis_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, clean_redis_url, tmp_path)
    await centre.open(SETTINGS, partitions=3)
    yield centre
    await centre.close()


async def no_lag(centre: Centre) -> None:
    """Wait until the worker has committed all that is in its topics."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            _, metrics = await centre.workers[0].get("/metrics")
            lags = [line.split()[-1] for line in metrics.splitlines() if line.startswith("outbound_lag_records{")]
            if len(lags) == 6 and not any(map(float, lags)):
                return
            await asyncio.sleep(0.05)


async def test_the_worker_answers_what_can_be_read_and_keeps_the_rest_byte_for_byte(open_centre: Centre) -> None:
    centre = open_centre
    kinds = [*ANSWERED, *REJECTED, *UNANSWERED]
    for nasty in kinds:
        await centre.send(nasty.topic, nasty.value, b"a key of its own")
    await centre.send("call-requested", None, b"a tombstone")
    for at_ms in (0, 1):  # a record as old as can be
        await centre.send("call-outcome", b"rubbish", b"\xff\x00", at_ms=at_ms)
    assert (await centre.call("spring", "last"))["number"] == HELSINKI
    readable = {call_id_of(nasty) for nasty in (*ANSWERED, *REJECTED)}
    await centre.wait_until(lambda: readable <= {call_id for _, call_id in centre.replies})
    await no_lag(centre)
    assert {call_id for _, call_id in centre.replies} >= readable
    assert centre.replies_read == len(readable) + 1, "somebody was answered who did not ask, or twice"
    for records in centre.replies.values():
        for record in records:
            assert_fits_the_contract(record.value)
    letters = [
        letter
        async for letter in read_to_end(KafkaConnection(bootstrap=centre.kafka_bootstrap), centre.topic("dead-letters"))
    ]
    kept = sorted(letter.value or b"" for letter in letters)
    assert kept == sorted([*(nasty.value for nasty in (*REJECTED, *UNANSWERED)), b"", b"rubbish", b"rubbish"])
    assert all(("trace", b"t-1") in letter.headers for letter in letters)
    assert all(headers.VALUE_OMITTED not in dict(letter.headers) for letter in letters)
    assert await centre.workers[0].stop() == 0
    assert "Traceback" not in centre.workers[0].log.read_text()


async def test_the_worker_takes_the_good_settings_among_the_bad(open_centre: Centre) -> None:
    centre = open_centre
    taken, refused = corpus.settings_of("taken"), corpus.settings_of("refused")
    producer = AIOKafkaProducer(bootstrap_servers=centre.kafka_bootstrap)
    await producer.start()
    try:
        records = [*refused.values(), *taken.values(), (b"project:\xff", None), (b"team:a", None)]
        for key, value in records:
            last = await producer.send_and_wait(centre.topic("routing-settings"), value, key, partition=0)
    finally:
        await producer.stop()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            _, metrics = await centre.workers[0].get("/metrics")
            if f"outbound_settings_version {float(last.offset)}" in metrics:
                break
            await asyncio.sleep(0.05)
    assert f"outbound_settings_refused_total {float(len(refused) + 1)}" in metrics  # and the tombstone that is no text
    reply = await centre.call("spring", "after")
    assert (reply["number"], reply["settings_version"]) == (HELSINKI, last.offset)
    assert (await centre.call("dangling", "after"))["anonymous"] is True
    longest = max(centre.workers[0].log.read_text().splitlines(), key=len)
    assert len(longest) < 5_000
    assert await centre.workers[0].stop() == 0
