"""A secret stands nowhere but where it was given: not in what commands print, in logs, metrics or the process list."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.centre import HELSINKI, Centre
from tests.security.places import REDIS_PASSWORDS, SECRETS, WORKER, Places


def shown(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def printed(result: subprocess.CompletedProcess[str]) -> str:
    return f"{result.stdout}{result.stderr}"


def command_line_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_worker_shows_none(guarded: Centre, places: Places) -> None:
    address = urlsplit(places.redis.url)
    url = address._replace(netloc=f"{WORKER}:{REDIS_PASSWORDS[WORKER]}@{address.netloc}").geturl()
    settings = {"OUTBOUND_REDIS_URL": url, "OUTBOUND_REDIS_USERNAME": "", "OUTBOUND_REDIS_PASSWORD": ""}
    worker = await guarded.start_worker(**{**places.worker, **settings})
    assert (await guarded.call("spring", "secretly"))["number"] == HELSINKI
    for path in ("/livez", "/readyz", "/metrics"):
        body = (await worker.get(path))[1]
        assert shown(body) == []
        assert guarded.contact("secretly") not in body
    assert shown(command_line_of(worker.process.pid)) == []
    assert await worker.stop() == 0
    text = worker.log.read_text()
    assert "worker_started" in text
    assert shown(text) == []


COMMANDS = [
    ("topics", "create", "--partitions", "2", "--replication-factor", "1"),
    ("topics", "create", "--partitions", "3", "--replication-factor", "1"),  # refused: there are two
    ("settings", "export"),
    ("settings", "check", "no-such-file"),
    ("settings", "diff", "no-such-file"),
    ("explain", "--from-topic", "anybody"),
    ("run", "--state-buckets", "many"),
    ("run", "--no-such-flag"),
    ("run", "--help"),
    ("explain", "--help"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_shows_none(guarded: Centre, command: tuple[str, ...]) -> None:
    result = guarded.command(*command)
    assert printed(result)
    assert shown(printed(result)) == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://outbound-worker:{secret}@localhost:1/0",
        "redis://outbound-worker:{secret}@local host:1/0",
        "http://outbound-worker:{secret}@localhost/0",
        "redis://outbound-worker:{secret}@localhost:port/0",
        "redis://outbound-worker:{secret}@localhost:1/0?no_such_option={secret}",
        "rediss://outbound-worker:{secret}@localhost:1/{secret}",
        "{secret}",
    ],
)
def test_an_address_of_redis_that_does_not_work_is_shown_without_its_password(guarded: Centre, url: str) -> None:
    secret = REDIS_PASSWORDS[WORKER]
    for given in ([], ["--redis-url", url.format(secret=secret)]):
        result = guarded.command("explain", "anybody", *given, OUTBOUND_REDIS_URL=url.format(secret=secret))
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        assert shown(printed(result)) == []


def test_a_secret_given_as_a_flag_is_not_shown(guarded: Centre) -> None:
    secret = SECRETS[0]
    for flag in ("--kafka-sasl-password", "--redis-password"):
        result = guarded.command("explain", "anybody", "--from-topic", flag, secret)
        assert result.returncode == 1
        assert shown(printed(result)) == []
    result = guarded.command("run", "--selection-key", secret * 5)  # too long
    assert result.returncode == 2
    assert shown(printed(result)) == []
