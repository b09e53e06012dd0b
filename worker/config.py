"""The configuration of the process: environment variables with the prefix `OUTBOUND_`, each also a flag."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.selection.chance import MAX_KEY_BYTES

PREFIX: Final = "OUTBOUND_"

_LAST_PORT: Final = 65_535

Port = Annotated[int, Field(ge=1, le=_LAST_PORT)]


def _in(section: str, default: Any, description: str, **bounds: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    return Field(default, description=description, json_schema_extra={"section": section}, **bounds)


class Config(BaseSettings):
    """All that can be set. A section names the commands that take the setting; see `worker.cli.options`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    kafka_bootstrap: str = _in("kafka", "localhost:9092", "Brokers to begin with: host:port, comma-separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _in(
        "kafka", "PLAINTEXT", "How to speak to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = _in(
        "kafka", "SCRAM-SHA-512", "How to prove who the worker is."
    )
    kafka_sasl_username: str | None = _in("kafka", None, "Kafka user.")
    kafka_sasl_password: SecretStr | None = _in("kafka", None, "Kafka password; the environment hides it better.")
    kafka_ca_file: Path | None = _in("kafka", None, "PEM file of the authority that signed the brokers' certificates.")
    kafka_cert_file: Path | None = _in("kafka", None, "PEM file of the worker's own certificate.")
    kafka_key_file: Path | None = _in("kafka", None, "PEM file of that certificate's key.")

    topic_call_requested: str = _in("topics", "call-requested", "Topic of call requests.")
    topic_call_outcome: str = _in("topics", "call-outcome", "Topic of call outcomes; may be the one of requests.")
    topic_number_assigned: str = _in("topics", "number-assigned", "Topic of replies.")
    topic_routing_settings: str = _in("topics", "routing-settings", "Compacted topic of the settings.")
    topic_dead_letters: str = _in("topics", "dead-letters", "Topic of records that cannot be handled.")

    redis_url: str = _in("redis", "redis://localhost:6379/0", "redis:// or rediss://; a cluster is recognised.")
    redis_username: str | None = _in("redis", None, "Redis ACL user.")
    redis_password: SecretStr | None = _in("redis", None, "Redis password; the environment hides it better.")
    redis_ca_file: Path | None = _in("redis", None, "PEM file of the authority that signed Redis's certificate.")
    state_buckets: int = _in(
        "redis",
        48,
        "Parts that the contacts are divided into; a multiple of the number of partitions. Never change it.",
        ge=1,
        le=16_384,
    )
    state_retention_days: int = _in("redis", 400, "How long a contact is remembered after its last event.", ge=1)
    reply_retention_hours: int = _in(
        "redis", 24, "How long a call asked again gets the same reply; after that it is a new call.", ge=24
    )

    group_id: str = _in("worker", "outbound-numbers", "Consumer group; the replicas share it.", min_length=1)
    session_timeout_ms: int = _in(
        "worker", 10_000, "Silence after which the group takes a replica for dead.", ge=6_000, le=300_000
    )
    max_request_size: int = _in(
        "worker",
        1_048_576,
        "Largest request to a broker, in bytes; the brokers' message.max.bytes.",
        ge=16_384,
    )
    dead_letter_limit_percent: int = _in(
        "worker",
        50,
        "Share of dead letters among the latest records past which the worker pauses; 100: no limit.",
        ge=0,
        le=100,
    )
    dead_letter_window_records: int = _in("worker", 1_000, "How many records those are.", ge=1)
    selection_key: SecretStr = _in(
        "worker",
        SecretStr(""),
        f"Secret of the random choices, at most {MAX_KEY_BYTES} bytes, the same on every replica. "
        "Without it who knows the ids can tell the numbers.",
    )

    processes: int = _in(
        "processes",
        1,
        "Worker processes on this machine; more than one run under a supervisor.",
        ge=1,
        le=128,
    )

    http_host: str = _in("http", "127.0.0.1", "Address of /livez, /readyz and /metrics.")
    http_port: Port = _in("http", 8080, "Port of the same.")

    log_format: Literal["auto", "json", "console"] = _in("log", "auto", "auto: console on a terminal, else json.")
    log_level: Literal["debug", "info", "warning", "error"] = _in("log", "info", "Least severe lines that are shown.")
    log_personal_data: bool = _in("log", default=False, description="Show phone numbers and contact ids unmasked.")

    @field_validator("selection_key")
    @classmethod
    def _fits_the_hash(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value().encode()) > MAX_KEY_BYTES:
            raise ValueError(f"must be at most {MAX_KEY_BYTES} bytes long")
        return key

    @field_validator("kafka_bootstrap")
    @classmethod
    def _are_addresses(cls, bootstrap: str) -> str:
        for address in bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            if not (host and port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
                raise ValueError(f"{address.strip()!r} is not host:port")
        return bootstrap

    @model_validator(mode="after")
    def _has_a_user(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"OUTBOUND_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} takes a user: "
                "set OUTBOUND_KAFKA_SASL_USERNAME and OUTBOUND_KAFKA_SASL_PASSWORD"
            )
        return self

    @model_validator(mode="after")
    def _are_topics_apart(self) -> Self:
        inputs = {self.topic_call_requested, self.topic_call_outcome}
        others = [self.topic_number_assigned, self.topic_routing_settings, self.topic_dead_letters]
        if len(inputs | set(others)) < len(inputs) + len(others):
            raise ValueError("topics must differ; only those of requests and outcomes may be the same one")
        return self
