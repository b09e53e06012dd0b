"""Every rule and reason of the contract has words."""

from typing import get_args

from schemas.events import PassReason, Rule
from worker.words import REASONS, RULES


def test_every_rule_has_words() -> None:
    assert RULES.keys() == set(get_args(Rule))


def test_every_reason_has_words() -> None:
    assert REASONS.keys() == set(get_args(PassReason))
