"""How commands reach Redis, one server or a cluster: many in one go, their errors among the answers."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import AskError, ClusterError, MovedError, NoScriptError, ReadOnlyError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.state.connection import Client

Command: TypeAlias = tuple[str | bytes | int, ...]

SCAN_COUNT: Final = 1_000
"""Keys that a scan looks at per round trip."""


class Script:
    """A script that runs inside Redis, by the name of its file beside this one."""

    def __init__(self, name: str) -> None:
        self.text = resources.files(__package__).joinpath(name).read_bytes()
        self.sha = hashlib.sha1(self.text).hexdigest()  # noqa: S324 - the name that Redis gives a script


class Commands:
    """A connected client. Every method passes on the errors of the connection as those of redis-py."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def is_cluster(self) -> bool:
        """Whether the keys of one command must be of one bucket."""
        return isinstance(self._client, RedisCluster)

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands in one go, to each node its own; give the answers in order. Raises the first error."""
        return _without_errors(await self._send(commands))

    async def run(self, script: Script, arguments: Sequence[Command]) -> list[Any]:
        """Run a script with each of the arguments. A server that does not know it yet is sent its text."""
        answers = await self._send([("EVALSHA", script.sha, *each) for each in arguments])
        missing = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            again = await self._send([("EVAL", script.text, *arguments[index]) for index in missing])
            for index, answer in zip(missing, again, strict=True):
                answers[index] = answer
        return _without_errors(answers)

    async def scan(self, pattern: str, *, beside: str | None = None) -> AsyncIterator[bytes]:
        """The keys that fit a pattern: on every node, or on the one where the key `beside` is. One may come twice.

        It looks at every key there is, which takes about a second per million.
        """
        nodes: dict[str, Any] = {}
        if isinstance(self._client, RedisCluster):
            nodes["target_nodes"] = self._client.get_node_from_key(beside) if beside else RedisCluster.PRIMARIES
        with _one_kind_of_outage():
            async for key in self._client.scan_iter(match=pattern, count=SCAN_COUNT, **nodes):
                yield key

    async def ping(self) -> None:
        """Return if Redis answers: the server, or every primary of the cluster."""
        with _one_kind_of_outage():
            if isinstance(self._client, RedisCluster):
                await self._client.ping(target_nodes=RedisCluster.PRIMARIES)
            else:
                await self._client.ping()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers, errors among them. This is the one place where commands on contacts leave."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        with _one_kind_of_outage():
            # Errors are taken as answers: if redis-py raises them it quotes the keys, which are personal data.
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, ReadOnlyError) for answer in answers) and isinstance(self._client, Redis):
            # The server became a replica, and another one may be at the address: its open connections would not tell.
            await self._client.connection_pool.disconnect(inuse_connections=False)
        return answers


@contextmanager
def _one_kind_of_outage() -> Iterator[None]:
    """A cluster of which no node answers, or not all slots have one, fails like one server that does not answer.

    redis-py has another error for it, which is not even one of its `RedisError`.
    """
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError("Redis Cluster cannot be reached, or not all of it") from error


_MOVING: Final = (MovedError, AskError, ClusterError, RedisClusterException)
"""What a cluster answers while a slot changes its node, once redis-py has followed it as far as it does."""


def _without_errors(answers: list[Any]) -> list[Any]:
    """The answers; raises the first error among them."""
    for answer in answers:
        if isinstance(answer, _MOVING):
            raise RedisConnectionError("Redis Cluster moves slots, or not all of it can be reached") from answer
        if isinstance(answer, Exception):
            raise answer
    return answers
