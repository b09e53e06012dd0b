"""How the clients reach Kafka: brokers, TLS, SASL."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import worker.stream.protocol  # noqa: F401 - how requests and answers are written and read


class KafkaUnavailableError(Exception):
    """Kafka cannot be used as it was asked to; the text says why and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Where the brokers are and how they are spoken to. `security_protocol` is named as Kafka names it."""

    bootstrap: str
    client_id: str = "outbound-numbers"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def client_options(self) -> dict[str, Any]:
        """The keyword arguments that every client of aiokafka takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options

    def unavailable(self, error: Exception) -> KafkaUnavailableError:
        """Word an error of a client for the person who runs the worker."""
        reason = str(error) or type(error).__name__
        return KafkaUnavailableError(
            f"Kafka at {self.bootstrap} cannot be used: {reason}. "
            "Check OUTBOUND_KAFKA_BOOTSTRAP, that the brokers run, and the TLS and SASL settings."
        )

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(f) for f in (self.ca_file, self.cert_file, self.key_file) if f)
            raise KafkaUnavailableError(
                f"the TLS files of Kafka cannot be read ({files}): {error}. "
                "Check OUTBOUND_KAFKA_CA_FILE, OUTBOUND_KAFKA_CERT_FILE and OUTBOUND_KAFKA_KEY_FILE."
            ) from error
        return context
