"""Who is not let in, or does not let the server in, says why in one line, and does not try for ever."""

import asyncio
import subprocess

import pytest

from tests.end_to_end.centre import Centre
from tests.security.places import SECRETS, Places, doorkeeper

KNOCKS = 4
"""More than any command needs to find out that it is refused: it may ask again for the reason."""


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    (said,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    for word in words:
        assert word in said
    for secret in SECRETS:
        assert secret not in result.stdout + result.stderr


STRANGER = "{stranger}"
CASES_OF_KAFKA = {
    "wrong password": ("sasl", {"SASL_PASSWORD": "wrong"}, "SASL_PASSWORD"),
    "unknown user": ("sasl", {"SASL_USERNAME": "nobody"}, "the user nobody"),
    "another mechanism": ("sasl", {"SASL_MECHANISM": "SCRAM-SHA-256"}, "SASL_MECHANISM"),
    "wrong authority": ("sasl", {"CA_FILE": STRANGER}, "KAFKA_CA_FILE"),
    "certificate expired": ("expired", {}, "expired"),
    "certificate of another host": ("elsewhere", {}, "not valid for '127.0.0.1'"),
    "plaintext to TLS": ("sasl", {"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "SECURITY_PROTOCOL"),
    "TLS to plaintext": ("bootstrap", {}, "SECURITY_PROTOCOL"),
    "no user where one is asked for": ("sasl", {"SECURITY_PROTOCOL": "SSL"}, "SECURITY_PROTOCOL"),
    "no certificate where one is asked for": ("mutual", {"SECURITY_PROTOCOL": "SSL"}, "KAFKA_CERT_FILE"),
}


@pytest.mark.parametrize("case", CASES_OF_KAFKA)
async def test_kafka(guarded: Centre, places: Places, case: str) -> None:
    listener, settings, word = CASES_OF_KAFKA[case]
    async with doorkeeper(getattr(places.kafka, listener)) as (keeper, address):
        settings = {
            **places.worker,
            "OUTBOUND_KAFKA_BOOTSTRAP": address,
            **{f"OUTBOUND_KAFKA_{name}": value for name, value in settings.items()},
        }
        result = await asyncio.to_thread(run, guarded, places, settings, "run")
        refused(result, address, word)
        assert 0 < keeper.knocks <= KNOCKS


CASES_OF_REDIS = {
    "wrong password": ("redis", {"PASSWORD": "wrong"}, "REDIS_PASSWORD"),
    "unknown user": ("redis", {"USERNAME": "nobody"}, "REDIS_USERNAME"),
    "no user": ("redis", {"USERNAME": "", "PASSWORD": ""}, "REDIS_USERNAME"),
    "wrong authority": ("redis", {"CA_FILE": STRANGER}, "REDIS_CA_FILE"),
    "certificate expired": ("redis_expired", {}, "expired"),
    "certificate of another host": ("redis_elsewhere", {}, "not valid for '127.0.0.1'"),
    "plaintext to TLS": ("redis", {"URL": "redis://{address}/0", "CA_FILE": ""}, "rediss://"),
    "TLS to what speaks none": ("kafka", {}, "rediss://"),
}


@pytest.mark.parametrize(
    ("command", "case"), [*((("explain", "x"), case) for case in CASES_OF_REDIS), (("run",), "wrong password")]
)
async def test_redis(guarded: Centre, places: Places, command: tuple[str, ...], case: str) -> None:
    server, settings, word = CASES_OF_REDIS[case]
    place = places.kafka.bootstrap if server == "kafka" else f"127.0.0.1:{getattr(places, server).port}"
    async with doorkeeper(place) as (keeper, address):
        settings = {
            **places.worker,
            "OUTBOUND_REDIS_URL": f"rediss://{address}/0",
            **{f"OUTBOUND_REDIS_{name}": value.replace("{address}", address) for name, value in settings.items()},
        }
        result = await asyncio.to_thread(run, guarded, places, settings, *command)
        refused(result, address, word)
        assert 0 < keeper.knocks <= KNOCKS


@pytest.mark.parametrize("command", [("topics", "create"), ("settings", "export"), ("explain", "--from-topic", "x")])
def test_every_command_says_who_is_refused(guarded: Centre, places: Places, command: tuple[str, ...]) -> None:
    result = run(guarded, places, {**places.operator, "OUTBOUND_KAFKA_SASL_PASSWORD": "wrong"}, *command)
    refused(result, places.kafka.sasl, "OUTBOUND_KAFKA_SASL_PASSWORD")


def run(centre: Centre, places: Places, settings: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    stranger = str(places.certificates.stranger_ca_file)
    mine = {name: stranger if value == STRANGER else value for name, value in settings.items()}
    return centre.command(*command, **mine)
