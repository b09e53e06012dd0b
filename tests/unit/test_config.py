"""What the configuration takes, and in which words it refuses."""

import click
import pytest

from worker.cli.options import load_config


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OUTBOUND_STATE_BUCKETS", "OUTBOUND_KAFKA_BOOTSTRAP", "OUTBOUND_KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_STATE_BUCKETS", "96")
    assert load_config().state_buckets == 96
    assert load_config(state_buckets="24").state_buckets == 24


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_STATE_BUCKETS", "")
    assert load_config().state_buckets == 48


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"state_buckets": "0"}, r"OUTBOUND_STATE_BUCKETS \(--state-buckets\)"),
        ({"reply_retention_hours": "1"}, "OUTBOUND_REPLY_RETENTION_HOURS"),
        ({"session_timeout_ms": "1000"}, "OUTBOUND_SESSION_TIMEOUT_MS"),
        ({"selection_key": "x" * 65}, "at most 64 bytes"),
        ({"kafka_bootstrap": "broker"}, "'broker' is not host:port"),
        ({"kafka_bootstrap": "broker:abc"}, "OUTBOUND_KAFKA_BOOTSTRAP"),
        ({"kafka_bootstrap": "a:1,b:70000"}, "'b:70000' is not host:port"),
        ({"kafka_security_protocol": "SASL_SSL"}, "set OUTBOUND_KAFKA_SASL_USERNAME and"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "u"}, "OUTBOUND_KAFKA_SASL_PASSWORD"),
        ({"topic_number_assigned": "call-requested"}, "topics must differ"),
        ({"topic_dead_letters": "routing-settings"}, "topics must differ"),
    ],
)
def test_what_does_not_fit_is_named_by_variable_and_flag(flags: dict[str, str], words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        load_config(**flags)


def test_requests_and_outcomes_may_share_a_topic() -> None:
    assert load_config(topic_call_outcome="call-requested").topic_call_outcome == "call-requested"


def test_secrets_are_not_shown() -> None:
    config = load_config(kafka_sasl_password="hush", redis_password="hush", selection_key="hush")  # noqa: S106 - not one
    assert "hush" not in repr(config)
