"""Why Kafka cannot be used: aiokafka logs the reason and raises that no broker could be reached, so it is asked again.

One connection more to each address, once, by a command that is about to fail anyhow.
"""

import asyncio
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from worker.stream.connection import KafkaConnection, KafkaUnavailableError
from worker.tls import tls_trouble

_ANSWER_S: Final = 5.0


async def diagnosed(connection: KafkaConnection, error: Exception) -> KafkaUnavailableError:
    """The error worded for the person who runs the worker, with the reason if one can be found."""
    options = connection.client_options()
    for address in options.pop("bootstrap_servers").split(","):
        host, _, port = address.strip().rpartition(":")
        if trouble := await _trouble(connection, host, int(port), options):
            return KafkaUnavailableError(f"Kafka at {address.strip()} cannot be used: {trouble}")
    return connection.unavailable(error)


async def _trouble(connection: KafkaConnection, host: str, port: int, options: dict[str, Any]) -> str | None:
    """What goes wrong with this broker, and the mend; `None` if nothing does."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            broker = await create_conn(host, port, **options)
            try:
                # Who is asked for a password does not hear so before the first question.
                await broker.send(MetadataRequest([]))
            finally:
                broker.close()
    except (KafkaError, OSError) as error:
        return _words(connection, error)
    return None


def _words(connection: KafkaConnection, error: Exception) -> str:
    tls = tls_trouble(
        error,
        address_variable="OUTBOUND_KAFKA_BOOTSTRAP",
        ca_variable="OUTBOUND_KAFKA_CA_FILE",
        own_certificate="Check OUTBOUND_KAFKA_CERT_FILE and OUTBOUND_KAFKA_KEY_FILE.",
    )
    if tls is not None:
        return tls
    protocol = connection.security_protocol
    match error:
        case SaslAuthenticationFailed():
            return (
                f"it refuses the user {connection.sasl_username}. "
                "Check OUTBOUND_KAFKA_SASL_USERNAME and OUTBOUND_KAFKA_SASL_PASSWORD."
            )
        case UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return f"it takes no {connection.sasl_mechanism}. Check OUTBOUND_KAFKA_SASL_MECHANISM."
        case TimeoutError():
            return "no answer. Check OUTBOUND_KAFKA_BOOTSTRAP, and that nothing in between holds the connection back."
        case OSError() if not isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return f"{error.strerror or error}. Check OUTBOUND_KAFKA_BOOTSTRAP, and that the broker runs."
        case _:
            return (
                f"it closed the connection, which it does if it is not spoken to as {protocol}. "
                "Check OUTBOUND_KAFKA_SECURITY_PROTOCOL and the port"
                + (", and whether it asks for OUTBOUND_KAFKA_CERT_FILE." if protocol == "SSL" else ".")
            )
