"""Who is who at the guarded servers, and what the environment of each says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.end_to_end.centre import TOPICS
from tests.services.certificates import Certificates
from tests.services.secure_kafka import SecureKafkaServer
from tests.services.secure_redis import SecureRedisServer

WORKER, OPERATOR, DIALER, READER = "outbound-worker", "outbound-operator", "dialer", "outbound-reader"

# Words that stand nowhere else, so that to find one is to have found a secret.
PASSWORDS = {WORKER: "xk3-worker-9hush", OPERATOR: "xk3-operator-9hush", DIALER: "xk3-dialer-9hush"}
REDIS_PASSWORDS = {WORKER: "xk3-redis-worker-9hush", READER: "xk3-redis-reader-9hush"}
SELECTION_KEY = "xk3-selection-9hush"
SECRETS = (*PASSWORDS.values(), *REDIS_PASSWORDS.values(), SELECTION_KEY)

DEFAULT_TOPICS = {f"OUTBOUND_TOPIC_{name.replace('-', '_').upper()}": name for name in TOPICS}


@dataclass(frozen=True)
class Places:
    """The guarded servers of a test session."""

    kafka: SecureKafkaServer
    redis: SecureRedisServer
    redis_expired: SecureRedisServer
    redis_elsewhere: SecureRedisServer
    certificates: Certificates

    def kafka_as(self, user: str) -> dict[str, str]:
        """The environment of who is this user at Kafka."""
        return {
            "OUTBOUND_KAFKA_BOOTSTRAP": self.kafka.sasl,
            "OUTBOUND_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "OUTBOUND_KAFKA_CA_FILE": str(self.certificates.ca_file),
            "OUTBOUND_KAFKA_SASL_USERNAME": user,
            "OUTBOUND_KAFKA_SASL_PASSWORD": PASSWORDS[user],
        }

    def redis_as(self, user: str) -> dict[str, str]:
        """The environment of who is this user at Redis."""
        return {
            "OUTBOUND_REDIS_URL": self.redis.url,
            "OUTBOUND_REDIS_CA_FILE": str(self.certificates.ca_file),
            "OUTBOUND_REDIS_USERNAME": user,
            "OUTBOUND_REDIS_PASSWORD": REDIS_PASSWORDS[user],
        }

    @property
    def worker(self) -> dict[str, str]:
        """The environment of the worker."""
        return {
            **self.kafka_as(WORKER),
            **self.redis_as(WORKER),
            "OUTBOUND_GROUP_ID": "outbound-numbers",
            "OUTBOUND_SELECTION_KEY": SELECTION_KEY,
        }

    @property
    def operator(self) -> dict[str, str]:
        """The environment of who creates topics, applies settings and asks for explanations."""
        return {**self.kafka_as(OPERATOR), **self.redis_as(READER), "OUTBOUND_SELECTION_KEY": SELECTION_KEY}


class Doorkeeper:
    """Counts who knocks at a server, and lets everybody through."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = host, port
        self.knocks = 0

    async def let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks += 1
        server_reader, server_writer = await asyncio.open_connection(*self._server_address)
        await asyncio.gather(_carry(reader, server_writer), _carry(server_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # one side has hung up: so does the other
    finally:
        writer.close()


@asynccontextmanager
async def doorkeeper(address: str) -> AsyncIterator[tuple[Doorkeeper, str]]:
    """Someone who counts before the server at `host:port`, and the address to knock at."""
    host, _, port = address.rpartition(":")
    keeper = Doorkeeper(host, int(port))
    server = await asyncio.start_server(keeper.let_through, "127.0.0.1", 0)
    async with server:
        yield keeper, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
