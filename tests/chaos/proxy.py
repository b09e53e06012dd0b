"""A network that fails when it is told to: TCP links that are cut, slow or silent, and are mended again.

It runs in a thread of its own. Data are never dropped in the middle of a connection, which TCP does not do either:
what a silent link holds back is delivered when it is mended, perhaps to a server whose client has long given up.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from tests.services.server import free_port

T = TypeVar("T")

Way = Literal["there", "back"]
"""From the client to the server, and from the server to the client."""

WAYS: Final[tuple[Way, ...]] = ("there", "back")

_HOST: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 65_536


class Network:
    """Links that share a thread. As a context, it is there within and closes every connection after."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._links: list[Link] = []

    def link(self, target_port: int) -> "Link":
        """A new link to a port of this machine, on which nobody need listen yet."""
        link = Link(self, target_port)
        self.run(link.open())
        self._links.append(link)
        return link

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the network's thread, from any other one, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links:
            self.run(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Link:
    """A port that leads to another. Its methods are called from outside the network's thread, save `open`, `close`."""

    def __init__(self, network: Network, target_port: int) -> None:
        self.port = free_port()
        self._network = network
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._delay_s = 0.0
        self._flows = {way: asyncio.Event() for way in WAYS}
        for flow in self._flows.values():
            flow.set()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._network.run(self.close())

    def slow(self, delay_s: float) -> None:
        """Let all that is sent arrive so many seconds later, each way."""
        self._network.run(self._set_delay(delay_s))

    def silence(self, *ways: Way) -> None:
        """Hold back all that is sent these ways; connections stay, and new ones are accepted."""
        self._network.run(self._set_silent(ways))

    def mend(self) -> None:
        """Be as at first. What was held back is delivered."""
        self._network.run(self._mend())

    async def open(self) -> None:
        """Accept connections, if not so already."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, _HOST, self.port)

    async def close(self) -> None:
        """Accept none, and end those that there are."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _set_delay(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def _set_silent(self, ways: tuple[Way, ...]) -> None:
        for way in ways:
            self._flows[way].clear()

    async def _mend(self) -> None:
        self._delay_s = 0.0
        for flow in self._flows.values():
            flow.set()
        await self.open()

    async def _accept(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._serve(client_reader, client_writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        writers = [client_writer]
        try:
            server_reader, server_writer = await asyncio.open_connection(_HOST, self._target_port)
            writers.append(server_writer)
            there = asyncio.ensure_future(self._carry(client_reader, server_writer, "there"))
            back = asyncio.ensure_future(self._carry(server_reader, client_writer, "back"))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        except OSError:
            pass  # nobody listens at the target: the client is told so by the end of its connection
        except asyncio.CancelledError:
            for writer in writers:
                _reset(writer)
            raise
        finally:
            for writer in writers:
                writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flows[way].wait()
            writer.write(chunk)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a cut does, with a reset and not in order."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
