"""How Redis is reached: its address, TLS, ACL user; and whether it is one server or a cluster."""

from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisClusterException, RedisError

import worker.state.packing  # noqa: F401 - how commands leave
from worker.tls import tls_trouble

Client: TypeAlias = Redis | RedisCluster

_RETRIES: Final = 1
"""One, at once: for a connection that was closed while idle, and for a cluster whose slots have moved. Who calls
knows better how long to wait for a server that is down."""


class RedisUnavailableError(Exception):
    """Redis cannot be used as it was asked to; the text says why and how to mend it."""


async def open_client(
    url: str, *, username: str | None, password: str | None, ca_file: Path | None, timeout_s: float
) -> Client:
    """A client, connected, for the server or the cluster at `redis://` or `rediss://` (TLS) `host:port/database`.

    A user and a password in the address win over those passed. `timeout_s` is for connecting and for each answer.
    Raises `RedisUnavailableError`.
    """
    place = _place(url)
    options: dict[str, Any] = {
        "username": username,
        "password": password,
        "protocol": 3,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), _RETRIES),
    }
    if ca_file is not None:
        options["ssl_ca_certs"] = str(_readable(ca_file, url))
    try:
        return await _connected(url, options)
    except Exception as error:
        raise RedisUnavailableError(f"Redis at {place} {_words(error)}") from error


def _words(error: Exception) -> str:
    """What is wrong, and the mend. Passes on what is no error of a connection."""
    reason = str(error).rstrip(".")
    tls = tls_trouble(
        error,
        address_variable="OUTBOUND_REDIS_URL",
        ca_variable="OUTBOUND_REDIS_CA_FILE",
        own_certificate="The worker shows none to Redis: set tls-auth-clients no there, and use an ACL user.",
    )
    match error:
        case AuthenticationError():
            return f"refuses the user: {reason}. Check OUTBOUND_REDIS_USERNAME and OUTBOUND_REDIS_PASSWORD."
        case NoPermissionError():
            return f"does not allow the user enough: {reason}. deploy/redis-users.acl has what the worker needs."
        case _ if tls is not None:
            return f"cannot be used: {tls}"
        case (
            RedisError() | RedisClusterException() | OSError() | ValueError() | TypeError()
        ):  # the last two: the address
            return (
                f"cannot be used: {reason}. Check OUTBOUND_REDIS_URL, that Redis runs, and that the address begins "
                "with rediss:// if it speaks TLS and with redis:// if it does not."
            )
    raise error


async def _connected(url: str, options: dict[str, Any]) -> Client:
    server = Redis.from_url(url, **options)
    try:
        # HELLO is the one command that says the mode and that every ACL user may call.
        hello = await server.execute_command("HELLO")  # type: ignore[no-untyped-call] # redis-py leaves it so
        is_cluster = hello[b"mode"] == b"cluster"
    except BaseException:
        await server.aclose()
        raise
    if not is_cluster:
        return server
    await server.aclose()
    cluster = RedisCluster.from_url(url, **options)
    try:
        return await cluster.initialize()
    except BaseException:
        await cluster.aclose()
        raise


def _place(url: str) -> str:
    """The address without user and password, to be shown."""
    try:
        parts = urlsplit(url)
        # What stands where the number of the database belongs may be anything, and is not to be shown.
        is_database = parts.path.strip("/").isdecimal() or not parts.path.strip("/")
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname or not is_database:
            raise ValueError  # noqa: TRY301 - one text for all that is no address
        port = parts.port or 6379
    except ValueError:
        raise RedisUnavailableError(
            "OUTBOUND_REDIS_URL is no address of Redis: write redis://host:port/0, or rediss:// for TLS."
        ) from None
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _readable(ca_file: Path, url: str) -> Path:
    if not url.startswith("rediss://"):
        raise RedisUnavailableError(
            "OUTBOUND_REDIS_CA_FILE is set, but OUTBOUND_REDIS_URL begins with redis://, which is not encrypted: "
            "write rediss://."
        )
    if not ca_file.is_file():
        raise RedisUnavailableError(f"OUTBOUND_REDIS_CA_FILE names {ca_file}, which is no file.")
    return ca_file
