"""The HTTP side: `/livez`, `/readyz`, `/metrics`. It serves nothing else."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

MAX_SILENCE_S: Final = 60.0
"""How long the loop may go without going round, while all it depends on answers, before it counts as stuck."""

_ANSWER_S: Final = 2.0


Handler = Callable[[web.Request], Awaitable[web.Response]]


class Pulse:
    """Remembers when the loop last went round."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def beat(self) -> None:
        """Note that the loop is alive."""
        self._at_s = time.monotonic()

    @property
    def silence_s(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._at_s


class PortInUseError(Exception):
    """The address cannot be listened on; the text says which, and the mend."""


Place = Callable[[web.AppRunner], Awaitable[None]]
"""Begins to serve at an address."""


def at_address(host: str, port: int) -> Place:
    """A place to serve at, which raises `PortInUseError` if that cannot be done."""

    async def begin(runner: web.AppRunner) -> None:
        with _naming(host, port):
            await web.TCPSite(runner, host, port).start()

    return begin


def listen(host: str, port: int) -> list[socket.socket]:
    """The same before there is an event loop: a socket for each address of the host. Raises `PortInUseError`."""
    with _naming(host, port):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [socket.create_server(address, family=family) for family, _, _, _, address in dict.fromkeys(found)]


def at_sockets(listeners: Iterable[socket.socket]) -> Place:
    """A place to serve at whose sockets listen already."""

    async def begin(runner: web.AppRunner) -> None:
        for listener in listeners:
            await web.SockSite(runner, listener).start()

    return begin


@contextmanager
def _naming(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PortInUseError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another address with OUTBOUND_HTTP_HOST and OUTBOUND_HTTP_PORT."
        ) from error


@asynccontextmanager
async def serving(
    place: Place,
    *,
    pulse: Pulse,
    conditions: Mapping[str, Callable[[], bool]],
    dependencies: Mapping[str, Callable[[], Awaitable[object]]],
    registry: CollectorRegistry,
) -> AsyncIterator[None]:
    """Serve as long as the context lasts.

    The worker is ready when every condition holds and every dependency answers, which is when asking it does
    not raise. Raises `PortInUseError`.
    """

    async def livez(_request: web.Request) -> web.Response:
        # A loop that waits for a server that does not answer does what it should; to kill it would help nobody.
        alive = pulse.silence_s < MAX_SILENCE_S or not all(await asyncio.gather(*map(_answers, dependencies.values())))
        return web.json_response({"alive": alive, "silence_s": round(pulse.silence_s, 1)}, status=200 if alive else 503)

    async def readyz(_request: web.Request) -> web.Response:
        answers = await asyncio.gather(*map(_answers, dependencies.values()))
        results = {name: holds() for name, holds in conditions.items()}
        results |= dict(zip(dependencies, answers, strict=True))
        return web.json_response(results, status=200 if all(results.values()) else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async with serving_routes(place, livez=livez, readyz=readyz, metrics=metrics):
        yield


@asynccontextmanager
async def serving_routes(place: Place, *, livez: Handler, readyz: Handler, metrics: Handler) -> AsyncIterator[None]:
    """Serve the three, whoever answers them, as long as the context lasts."""
    app = web.Application(client_max_size=0)  # no request has a body
    app.on_response_prepare.append(_without_version)
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await place(runner)
        yield
    finally:
        await runner.cleanup()


async def _without_version(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not tell which versions of Python and aiohttp answer."""
    response.headers.popall("Server", None)


async def _answers(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_S):
            await ask()
    except Exception:  # noqa: BLE001 - whatever a dependency raises, it does not answer
        return False
    return True
