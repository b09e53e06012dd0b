"""The HTTP side: `/livez`, `/readyz`, `/metrics`. It serves nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

MAX_SILENCE_S: Final = 60.0
"""How long the loop may go without going round, while all it depends on answers, before it counts as stuck."""

_ANSWER_S: Final = 2.0


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


@asynccontextmanager
async def serving(  # noqa: PLR0913 - what is served, and where
    host: str,
    port: int,
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

    app = web.Application(client_max_size=0)  # no request has a body
    app.on_response_prepare.append(_without_version)
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise PortInUseError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another address with OUTBOUND_HTTP_HOST and OUTBOUND_HTTP_PORT."
        ) from error
    try:
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
