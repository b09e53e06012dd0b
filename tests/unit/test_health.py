"""`/livez` and `/readyz`: when a worker counts as stuck, and when as ready."""

import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from tests.services.server import free_port
from worker import health
from worker.health import PortInUseError, Pulse, serving


class Silent(Pulse):
    """The pulse of a loop that has long not gone round."""

    @property
    def silence_s(self) -> float:
        return health.MAX_SILENCE_S + 1


async def answers() -> None:
    """A dependency that answers."""


async def fails() -> None:
    raise ConnectionError


async def status(
    path: str,
    *,
    pulse: Pulse | None = None,
    loaded: bool = True,
    dependency: Callable[[], Awaitable[object]] = answers,
) -> tuple[int, dict[str, object]]:
    port = free_port()
    async with (
        serving(
            "127.0.0.1",
            port,
            pulse=pulse or Pulse(),
            conditions={"settings": lambda: loaded},
            dependencies={"redis": dependency},
            registry=CollectorRegistry(),
        ),
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.json()


async def test_a_worker_is_ready_when_all_holds_and_all_answers() -> None:
    assert await status("/readyz") == (200, {"settings": True, "redis": True})


async def test_a_worker_is_not_ready_before_its_settings_are_loaded() -> None:
    assert await status("/readyz", loaded=False) == (503, {"settings": False, "redis": True})


async def test_a_worker_is_not_ready_while_a_server_does_not_answer() -> None:
    assert await status("/readyz", dependency=fails) == (503, {"settings": True, "redis": False})


@pytest.mark.parametrize(
    ("pulse", "dependency", "expected"),
    [(Pulse, answers, 200), (Pulse, fails, 200), (Silent, answers, 503), (Silent, fails, 200)],
)
async def test_a_loop_is_stuck_if_it_is_silent_though_all_answers(
    pulse: type[Pulse], dependency: Callable[[], Awaitable[object]], expected: int
) -> None:
    assert (await status("/livez", pulse=pulse(), dependency=dependency))[0] == expected


async def test_an_address_in_use_is_named() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortInUseError, match=f"{port}.*OUTBOUND_HTTP_PORT"):
        async with serving(
            "127.0.0.1", port, pulse=Pulse(), conditions={}, dependencies={}, registry=CollectorRegistry()
        ):
            pass
