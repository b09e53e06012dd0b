"""`/livez` and `/readyz`: when a worker counts as stuck, and when as ready."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from tests.services.server import free_port
from worker import health
from worker.config import Config
from worker.health import PortInUseError, Pulse, at_address, at_sockets, listen, serving


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
            at_address("127.0.0.1", port),
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
            at_address("127.0.0.1", port), pulse=Pulse(), conditions={}, dependencies={}, registry=CollectorRegistry()
        ):
            pass


async def test_sockets_that_listen_already_are_served_and_outlive_it() -> None:
    listeners = listen("127.0.0.1", 0)
    port = listeners[0].getsockname()[1]
    for _ in range(2):
        async with (
            serving(
                at_sockets([listener.dup() for listener in listeners]),
                pulse=Pulse(),
                conditions={},
                dependencies={},
                registry=CollectorRegistry(),
            ),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/livez") as response,
        ):
            assert response.status == 200
    with pytest.raises(PortInUseError, match=f"{port}.*OUTBOUND_HTTP_PORT"):
        listen("127.0.0.1", port)
    for listener in listeners:
        listener.close()


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(PortInUseError, match=r"cannot listen on 192\.0\.2\.1:8080"):
        listen("192.0.2.1", 8080)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/metrics", 200),
        ("HEAD", "/livez", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/livez/../metrics/x", 404),
        ("GET", "//etc/passwd", 404),
        ("POST", "/livez", 405),
        ("PUT", "/metrics", 405),
        ("DELETE", "/readyz", 405),
        ("TRACE", "/readyz", 405),
    ],
)
async def test_nothing_else_is_served_nor_what_serves_it(method: str, path: str, expected: int) -> None:
    port = free_port()
    async with (
        serving(
            at_address("127.0.0.1", port), pulse=Pulse(), conditions={}, dependencies={}, registry=CollectorRegistry()
        ),
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", data=b"x" if method == "POST" else None) as response,
    ):
        assert response.status == expected
        assert "Server" not in response.headers


async def test_an_endless_header_is_refused() -> None:
    port = free_port()
    async with serving(
        at_address("127.0.0.1", port), pulse=Pulse(), conditions={}, dependencies={}, registry=CollectorRegistry()
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()


def test_it_is_served_to_this_machine_alone_unless_told() -> None:
    assert Config.model_fields["http_host"].default == "127.0.0.1"
