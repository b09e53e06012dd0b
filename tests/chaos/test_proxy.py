"""The links do what they are told, so that a run under faults has had them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.proxy import Link, Network

PATIENCE_S = 30


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            heard.append(data)
            writer.write(data)
        writer.close()

    heard.clear()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


heard: list[bytes] = []
"""What reached the server."""


@pytest.fixture
def link(echo_port: int) -> Iterator[Link]:
    with Network() as network:
        yield network.link(echo_port)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, link: Link) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", link.port))

    def say(self, words: bytes) -> None:
        self._writer.write(words)

    async def hear(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read(1_000)

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


@pytest.fixture
async def client(link: Link) -> AsyncIterator[Client]:
    client = await Client.of(link)
    client.say(b"one")
    assert await client.hear() == b"one"
    yield client
    await client.close()


async def until_heard(words: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while words not in heard:
            await asyncio.sleep(0.01)


async def test_a_cut_ends_connections_and_refuses_new_ones_until_it_is_mended(link: Link, client: Client) -> None:
    link.cut()
    with pytest.raises(ConnectionResetError):
        await client.hear()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", link.port)):
        pass
    link.mend()
    other = await Client.of(link)
    other.say(b"two")
    assert await other.hear() == b"two"
    await other.close()


async def test_a_slow_link_delivers_later_each_way(link: Link, client: Client) -> None:
    link.slow(0.2)
    began_s = time.monotonic()
    client.say(b"two")
    assert await client.hear() == b"two"
    assert time.monotonic() - began_s >= 0.4


async def test_a_silent_link_delivers_when_it_is_mended(link: Link, client: Client) -> None:
    link.silence("there", "back")
    client.say(b"two")
    other = await Client.of(link)  # new connections are accepted, and as silent
    other.say(b"three")
    link.mend()
    assert await client.hear() == b"two"
    assert await other.hear() == b"three"
    await other.close()


async def test_a_link_may_be_silent_one_way_only(link: Link, client: Client) -> None:
    link.silence("back")
    client.say(b"two")
    await until_heard(b"two")
    answer = asyncio.ensure_future(client.hear())
    await asyncio.to_thread(link.slow, 0.0)  # has gone through the network's thread, and so has the answer
    assert not answer.done()
    link.mend()
    assert await answer == b"two"


async def test_what_is_held_back_arrives_although_its_sender_has_gone(link: Link, client: Client) -> None:
    link.silence("there")
    client.say(b"late")
    await asyncio.to_thread(link.slow, 0.0)
    await client.close()
    assert heard == [b"one"]
    link.mend()
    await until_heard(b"late")


async def test_nobody_at_the_other_end_is_the_end_of_the_connection() -> None:
    with Network() as network:
        client = await Client.of(network.link(1))
        assert await client.hear() == b""
        await client.close()
