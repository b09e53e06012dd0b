"""A Kafka that lets nobody in who does not say who they are, and nobody do what no ACL allows.

On this machine always, not in Docker: its files, and a listener for each way in, would need as much again to describe.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.services.certificates import Certificates, Credentials
from tests.services.kafka import KafkaServer, configuration, java_command, local_program
from tests.services.program import Program, ServiceError
from tests.services.server import free_port

HOST: Final = "127.0.0.1"
ACLS: Final = Path(__file__).parents[2] / "deploy" / "kafka-acls.sh"

_ACL_FIELDS: Final = ("restype", "name", "resource_pattern_type", "principal", "host", "operation", "permission_type")
_ACL_TOOL: Final = "org.apache.kafka.tools.AclCommand"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class SecureKafkaServer(KafkaServer):
    """A broker with a listener for each way in; `bootstrap` is that of its administrator, without any proof."""

    def __init__(self, program: Program, ports: Mapping[str, int]) -> None:
        super().__init__(program, f"{HOST}:{ports['INTERNAL']}")
        self.sasl = f"{HOST}:{ports['SASL']}"
        """SASL_SSL with SCRAM-SHA-512."""
        self.mutual = f"{HOST}:{ports['MUTUAL']}"
        """SSL, and the client shows a certificate too; its common name is the user's."""
        self.expired = f"{HOST}:{ports['EXPIRED']}"
        """SASL_SSL, with a certificate of the past."""
        self.elsewhere = f"{HOST}:{ports['ELSEWHERE']}"
        """SASL_SSL, with the certificate of another host."""

    def allow(self) -> None:
        """Allow the users of the project's script of ACLs what it allows them. Raises `ServiceError`."""
        with TemporaryDirectory(prefix="kafka-acls-") as name:
            tool = Path(name, "kafka-acls.sh")
            tool.write_text(f'#!/bin/sh\nexec {shlex.join([*java_command(), _ACL_TOOL])} "$@"\n')
            tool.chmod(0o700)
            result = subprocess.run(
                ["/bin/sh", ACLS],
                env={"PATH": os.environ["PATH"], "KAFKA_ACLS": str(tool), "BOOTSTRAP": self.bootstrap},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if result.returncode != 0:
            raise ServiceError(f"{ACLS.name} failed:\n{result.stdout}\n{result.stderr}")

    @contextmanager
    def denied(self, user: str, operation: str, resource: str, name: str) -> Iterator[None]:
        """Forbid the user an operation meanwhile, whatever else allows it."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        acl = AclBinding(
            ResourceType[resource],
            name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType.DENY,
        )
        the_same = AclBindingFilter(*(getattr(acl, field) for field in _ACL_FIELDS))
        for done in admin.create_acls([acl]).values():
            done.result()
        try:
            yield
        finally:
            for removed in admin.delete_acls([the_same]).values():
                removed.result()


@contextmanager
def secure_kafka(certificates: Certificates, passwords: Mapping[str, str]) -> Iterator[SecureKafkaServer]:
    """Run a broker with these users, by name. No user may do anything yet. Raises `ServiceError`."""
    with TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True) as name:
        ports = {listener: free_port() for listener in ("INTERNAL", "SASL", "MUTUAL", "EXPIRED", "ELSEWHERE")}
        users = [
            word
            for user, password in passwords.items()
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ]
        program = local_program(Path(name), _settings(ports, certificates), *users)
        with SecureKafkaServer(program, ports) as server:
            yield server


def _settings(ports: Mapping[str, int], certificates: Certificates) -> dict[str, str]:
    controller_port = free_port()
    listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
    return {
        **configuration(listen=HOST, advertise=HOST, port=ports["INTERNAL"], controller_port=controller_port),
        "listeners": f"{listeners},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": listeners,
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL,"
        "EXPIRED:SASL_SSL,ELSEWHERE:SASL_SSL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Who comes by the listeners without a proof, the broker itself among them.
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca_file),
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        "listener.name.mutual.ssl.client.auth": "required",
        **_identity("sasl", certificates.server),
        **_identity("mutual", certificates.server),
        **_identity("expired", certificates.server_expired),
        **_identity("elsewhere", certificates.server_elsewhere),
        **{f"listener.name.{each}.scram-sha-512.sasl.jaas.config": _SCRAM for each in ("sasl", "expired", "elsewhere")},
    }


def _identity(listener: str, credentials: Credentials) -> dict[str, str]:
    return {
        f"listener.name.{listener}.ssl.keystore.type": "PEM",
        f"listener.name.{listener}.ssl.keystore.location": str(credentials.both_file),
    }
