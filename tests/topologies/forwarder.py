"""An address that stays while what answers behind it changes, as a virtual address or a name does."""

import asyncio
from contextlib import suppress
from typing import Self

from tests.services.redis import RedisServer
from tests.services.server import free_port

_CHUNK_BYTES = 65_536


class Forwarder:
    """Passes TCP connections on. One that is open stays where it was made to, as with a name that changes."""

    def __init__(self, target: RedisServer) -> None:
        self.target = target
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        try:
            with suppress(OSError, asyncio.CancelledError):
                to_reader, to_writer = await asyncio.open_connection(self.target.host, self.target.port)
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(_pass(reader, to_writer))
                        both.create_task(_pass(to_reader, writer))
                finally:
                    to_writer.close()
        finally:
            writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
