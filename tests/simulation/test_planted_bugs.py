"""The simulation finds bugs: each of these replicas has one, and some schedule must bring it to light."""

import pytest

from tests.simulation import planted
from tests.simulation.examine import examine
from tests.simulation.replica import Build

SEEDS = range(1_500)


@pytest.mark.parametrize(
    ("build", "symptom"),
    [
        (planted.commits_before_publishing, "was not answered"),
        (planted.publishes_before_writing, "replies that differ"),
        (planted.writes_whatever_the_version, "replies that differ"),
        (planted.never_reads_the_tail, "was answered 2 times"),
        (planted.sends_all_again_after_a_lost_answer, "was answered 2 times"),
        (planted.keeps_no_replies, "attempts in"),
        (planted.handles_requests_before_outcomes, "is not one of"),
        (planted.publishes_in_another_order, "were answered in the order"),
        (planted.drops_what_does_not_fit, "is no dead letter"),
        (planted.never_commits_outcomes, "is committed up to"),
        (planted.takes_over_whatever_redis_has, "attempts in"),
        (planted.never_looks_at_the_marks_again, "attempts in"),
        (planted.rebuilds_without_outcomes, "is not one of"),
        (planted.writes_the_marks_before_the_contacts, "replies that differ"),
    ],
)
def test_a_bug_is_found(build: Build, symptom: str) -> None:
    assert any(symptom in (examine(seed, build) or "") for seed in SEEDS)
