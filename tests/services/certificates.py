"""Certificates of the tests' own: an authority, one that nobody trusts, and servers and clients that they vouch for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HERE: Final = ("localhost", "127.0.0.1")
"""What servers of tests are called."""

ELSEWHERE: Final = ("elsewhere.example",)


class Credentials(NamedTuple):
    """Files of who can prove who they are: certificates, its key (PKCS #8), and both in one, as Kafka takes them."""

    cert_file: Path
    key_file: Path
    both_file: Path


class Certificates:
    """An authority and what it signed, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(organization_name="the tests")
        self.ca_file = folder / "ca.pem"
        self.stranger_ca_file = folder / "stranger-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        trustme.CA(organization_name="a stranger").cert_pem.write_to_path(str(self.stranger_ca_file))
        self.server = self._issue("server", HERE)
        self.server_elsewhere = self._issue("server-elsewhere", ELSEWHERE)
        self.server_expired = self._issue("server-expired", HERE, datetime.now(UTC) - timedelta(days=1))

    def client(self, name: str) -> Credentials:
        """What the client of this common name proves itself with."""
        return self._issue(f"client-{name}", (f"{name}.example",), common_name=name)

    def _issue(
        self, file: str, hosts: tuple[str, ...], until: datetime | None = None, common_name: str | None = None
    ) -> Credentials:
        since = None if until is None else until - timedelta(days=1)
        issued = self._authority.issue_cert(*hosts, common_name=common_name, not_before=since, not_after=until)
        credentials = Credentials(*(self._folder / f"{file}-{part}.pem" for part in ("cert", "key", "both")))
        certificates = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        credentials.cert_file.write_bytes(certificates)
        credentials.key_file.write_bytes(key)
        credentials.both_file.write_bytes(key + certificates)
        return credentials
