"""A Redis that speaks TLS only and has the users of the project's ACL file. On this machine always, not in Docker."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.services.certificates import Certificates, Credentials
from tests.services.program import ChildProcess, Program
from tests.services.redis import RedisServer, redis_binary
from tests.services.server import free_port

HOST: Final = "127.0.0.1"
ACLS: Final = Path(__file__).parents[2] / "deploy" / "redis-users.acl"
PLACEHOLDER: Final = "change-me-{}"
"""What stands in the ACL file for the password of a user."""

ADMIN: Final = "admin"
_ADMIN_PASSWORD: Final = "the tests' own"  # noqa: S105 - of a server that lives as long as a test


class SecureRedisServer(RedisServer):
    """A server that is asked by its administrator."""

    def __init__(self, program: Program, port: int, ca_file: Path) -> None:
        super().__init__(program, HOST, port)
        self._ca_file = ca_file

    @property
    def url(self) -> str:
        """Its address, for a client."""
        return f"rediss://{self.host}:{self.port}/0"

    def client(self) -> Redis:
        """A client of it, for a question or two; close it."""
        return Redis(
            host=self.host,
            port=self.port,
            username=ADMIN,
            password=_ADMIN_PASSWORD,
            ssl=True,
            ssl_ca_certs=str(self._ca_file),
            # The tests give it certificates that do not fit; that is for the worker to find out.
            ssl_cert_reqs="none",
            ssl_check_hostname=False,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )


def user_rules(passwords: Mapping[str, str]) -> dict[str, list[str]]:
    """The rules of each user of the ACL file, with these passwords, as `ACL SETUSER` takes them."""
    users = {}
    for line in ACLS.read_text().splitlines():
        _, user, *rules = line.split()
        secret = passwords.get(user, "")
        users[user] = [rule.replace(PLACEHOLDER.format(user), secret) for rule in rules]
    return users


@contextmanager
def secure_redis(
    certificates: Certificates, passwords: Mapping[str, str], server: Credentials | None = None
) -> Iterator[SecureRedisServer]:
    """Run a server with the users of the ACL file, and an identity that fits by default. Raises `ServiceError`."""
    identity = server or certificates.server
    with TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        users = [f"user {user} {' '.join(rules)}" for user, rules in user_rules(passwords).items()]
        users.append(f"user {ADMIN} on #{_sha256(_ADMIN_PASSWORD)} ~* &* +@all")
        acls = folder / "users.acl"
        acls.write_text("\n".join(users) + "\n")
        command: list[str | Path] = [
            *(redis_binary(), "--bind", HOST, "--port", "0", "--dir", folder, "--save", "", "--aclfile", acls),
            *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", certificates.ca_file),
            *("--tls-cert-file", identity.cert_file, "--tls-key-file", identity.key_file),
        ]
        with SecureRedisServer(ChildProcess(command, folder / "redis.log"), port, certificates.ca_file) as running:
            yield running


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
