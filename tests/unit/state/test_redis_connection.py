import socket
from pathlib import Path

import pytest

from worker.state.store import RedisUnavailableError, connect


async def _refusal(url: str, ca_file: Path | None = None) -> str:
    with pytest.raises(RedisUnavailableError) as caught:
        await connect(url, buckets=48, ca_file=ca_file)
    return str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "localhost:6379", "http://localhost:6379", "redis://", "redis://user:s3cret@host:port", "redis://[::1"]
)
async def test_what_is_no_address_of_redis_is_refused_with_the_mend(url: str) -> None:
    message = await _refusal(url)

    assert "OUTBOUND_REDIS_URL" in message
    assert "redis://host:port/0" in message
    assert "s3cret" not in message


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening
        place = f"127.0.0.1:{unused.getsockname()[1]}/3"
        message = await _refusal(f"redis://user:s3cret@{place}")

    assert f"Redis at redis://{place} cannot be used" in message
    assert "s3cret" not in message


async def test_a_certificate_authority_without_tls_is_refused() -> None:
    message = await _refusal("redis://localhost:6379/0", ca_file=Path(__file__))

    assert "not encrypted" in message
    assert "rediss://" in message


async def test_a_certificate_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = await _refusal("rediss://localhost:6379/0", ca_file=tmp_path / "absent.pem")

    assert f"OUTBOUND_REDIS_CA_FILE names {tmp_path / 'absent.pem'}" in message


async def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"rediss://127.0.0.1:{listening.getsockname()[1]}/0"
        message = await _refusal(url, ca_file=tmp_path / "empty.pem")

    assert "OUTBOUND_REDIS_CA_FILE" in message
