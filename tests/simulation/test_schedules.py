"""Nothing lost, nothing twice, nothing wrong, wherever a replica stops, dies, sleeps or is cut off."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.examine import examine, first_failure, run
from tests.simulation.kafka import REPLIES
from tests.simulation.publisher import EXPELLED, LATE

SCHEDULES = int(os.environ.get("SIM_SCHEDULES", "3000"))
SEEDS = [int(os.environ["SIM_SEED"])] if "SIM_SEED" in os.environ else range(SCHEDULES)


def test_whatever_happens_at_whichever_await_every_promise_holds() -> None:
    failure = first_failure(SEEDS)
    assert failure is None, failure


def test_the_schedules_reach_what_they_are_there_for() -> None:
    runs = [run(seed) for seed in range(200)]
    steps = "\n".join(step for each in runs for step in each.steps)
    wanted = ["OUTAGE before: write", "OUTAGE after: write", "OUTAGE before: send", "OUTAGE after: send"]
    wanted += ["OUTAGE before: commit", "OUTAGE after: commit", "OUTAGE before: read", "delivers late"]
    wanted += [f"{fault} {place}" for fault in ("KILLED", "FALLS ASLEEP", "WAKES UP") for place in ("before", "after")]
    wanted += ["IS TOLD TO STOP", "has stopped", "expels", "IS MADE TO REBALANCE", "SET BACK", "last-"]
    assert [words for words in wanted if words not in steps] == []
    strays = {reply.stray for each in runs for reply in each.servers.kafka.all(REPLIES)}
    assert strays == {"", EXPELLED, LATE}


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_gives_the_same_schedule_in_every_process(hash_seed: str) -> None:
    code = "from tests.simulation.examine import run; print(*run(148).steps, sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines() == run(148).steps


def test_a_loop_that_dies_is_a_failure_whose_schedule_can_be_read_and_replayed() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    failure = examine(7, broken)  # type: ignore[arg-type] # it gives no parts at all
    assert failure is not None
    assert "dialer   sends to call-" in failure
    assert "the loop died of ZeroDivisionError()" in failure
    assert "SIM_SEED=7 pytest tests/simulation" in failure
