"""Several processes under one supervisor: they share the work, are started again, and end together."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end import campaigns
from tests.end_to_end.centre import HELSINKI, PATIENCE_S, TAMPERE, Centre, Worker
from tests.services.server import free_port

SETTINGS = f"""
numbers: [{{number: "{HELSINKI}"}}, {{number: "{TAMPERE}"}}]
projects:
  - {{project_id: spring, numbers: ["{HELSINKI}", "{TAMPERE}"], number_for_first_call: "{HELSINKI}"}}
"""

MEMORY_CALLS = int(os.environ.get("MEMORY_CALLS", "2000"))
"""After so many the memory is looked at: what processes share becomes less as they write to it."""


@pytest.fixture
async def pair(centre: Centre) -> Worker:
    """Two processes, ready, and what knows of them."""
    await centre.open(SETTINGS, workers=0)
    return await centre.start_worker(OUTBOUND_PROCESSES="2")


def pids(supervisor: Worker) -> dict[str, int]:
    """The latest process id of each process: "0", "1" and "front"."""
    return {line["process"]: line["pid"] for line in supervisor.log_lines() if line["event"] == "process_started"}


def children_of(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def proportional_mb(pid: int) -> float:
    """The memory of a process, each page that it shares divided by who share it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1_024


async def ended(*processes: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while any(map(is_running, processes)):
            await asyncio.sleep(0.05)


async def metrics(supervisor: Worker) -> dict[tuple[str, str | None], float]:
    """The sum of the samples of each name and process."""
    sums: dict[tuple[str, str | None], float] = {}
    for family in text_string_to_metric_families((await supervisor.get("/metrics"))[1]):
        for sample in family.samples:
            key = sample.name, sample.labels.get("process")
            sums[key] = sums.get(key, 0) + sample.value
    return sums


async def health(supervisor: Worker, path: str) -> tuple[int, dict[str, Any]]:
    status, body = await supervisor.get(path)
    return status, json.loads(body)


def assignments(supervisor: Worker, since: str = "") -> list[tuple[str, int]]:
    """Which process was given how many partitions, in turn."""
    return [
        (line["process"], len(line["partitions"]))
        for line in supervisor.log_lines()
        if line["event"] == "partitions_assigned" and line["timestamp"] > since
    ]


async def both_hold_partitions(supervisor: Worker, since: str = "") -> None:
    async with asyncio.timeout(PATIENCE_S):
        while dict(assignments(supervisor, since)) != {"0": 6, "1": 6}:
            await asyncio.sleep(0.05)


async def call_many(centre: Centre, name: str, calls: int = 60) -> None:
    await asyncio.gather(*[centre.call("spring", f"{name}-{n}") for n in range(calls)])


async def test_two_processes_share_the_partitions_and_answer_every_call_once(centre: Centre, pair: Worker) -> None:
    await both_hold_partitions(pair)
    await call_many(centre, "shared")
    assert {len(replies) for replies in centre.replies.values()} == {1}
    await centre.settled()
    assert await pair.stop() == 0
    lines = pair.log_lines()
    assert {line["process"] for line in lines if line["event"] == "batch"} == {"0", "1"}
    requests = sum(line["requests"] for line in lines if line["event"] == "batch")
    assert requests == 60


async def test_one_address_tells_of_all(centre: Centre, pair: Worker) -> None:
    await both_hold_partitions(pair)
    await call_many(centre, "told")
    await centre.settled()
    status, alive = await health(pair, "/livez")
    assert (status, alive["alive"]) == (200, True)
    assert {process: answer["alive"] for process, answer in alive["processes"].items()} == {"0": True, "1": True}
    status, ready = await health(pair, "/readyz")
    assert (status, ready["ready"], set(ready["processes"])) == (200, True, {"0", "1"})
    assert all(set(answer.values()) == {True} for answer in ready["processes"].values())
    async with asyncio.timeout(PATIENCE_S):
        while True:
            counted = await metrics(pair)
            by_process = [counted["outbound_assignments_total", process] for process in ("0", "1")]
            if sum(by_process) == 60:
                break
            await asyncio.sleep(0.05)
    assert min(by_process) > 0
    for name, value in (("up", 1), ("answered", 1), ("restarts_total", 0)):
        assert [counted[f"outbound_process_{name}", process] for process in ("0", "1")] == [value, value]
    assert not any(name.startswith("outbound") and process is None for name, process in counted)


async def test_a_process_that_is_killed_is_started_again_and_calls_go_on(centre: Centre, pair: Worker) -> None:
    await both_hold_partitions(pair)
    before = pids(pair)
    os.kill(before["1"], signal.SIGKILL)
    await call_many(centre, "meanwhile")
    [death] = await pair.logged("process_ended")
    assert (death["process"], death["signal"]) == ("1", "SIGKILL")
    async with asyncio.timeout(PATIENCE_S):
        while (await pair.get("/readyz"))[0] != 200 or pids(pair) == before:
            await asyncio.sleep(0.05)
    assert {name for name, pid in pids(pair).items() if pid != before[name]} == {"1"}
    counted = await metrics(pair)
    assert [counted["outbound_process_restarts_total", process] for process in ("0", "1")] == [0, 1]
    await both_hold_partitions(pair)
    await call_many(centre, "after")
    assert await pair.stop() == 0


async def test_the_others_go_on_until_the_group_gives_them_what_a_killed_one_held(centre: Centre, pair: Worker) -> None:
    await both_hold_partitions(pair)
    os.kill(pids(pair)["1"], signal.SIGKILL)
    [death] = await pair.logged("process_ended")
    await both_hold_partitions(pair, since=death["timestamp"])
    held = [count for process, count in assignments(pair, since=death["timestamp"]) if process == "0"]
    assert held == [12, 6], "one that joined too early stopped the others"
    await call_many(centre, "after")


async def test_a_front_that_is_killed_is_started_again_and_disturbs_no_worker(pair: Worker) -> None:
    before = pids(pair)
    os.kill(before["front"], signal.SIGKILL)
    await pair.logged("process_ended")
    async with asyncio.timeout(PATIENCE_S):
        while pids(pair) == before:
            await asyncio.sleep(0.05)
    await pair.ready()
    assert {name for name, pid in pids(pair).items() if pid != before[name]} == {"front"}


async def test_a_process_that_hangs_is_named_and_its_metrics_are_left_out(pair: Worker) -> None:
    hanging = pids(pair)["0"]
    os.kill(hanging, signal.SIGSTOP)
    try:
        for path, verdict in (("/livez", "alive"), ("/readyz", "ready")):
            status, answer = await health(pair, path)
            assert (status, answer[verdict], answer["processes"]["0"]) == (503, False, "does not answer")
            assert answer["processes"]["1"] != "does not answer"
        counted = await metrics(pair)
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert [counted["outbound_process_answered", process] for process in ("0", "1")] == [0, 1]
    assert [counted["outbound_process_up", process] for process in ("0", "1")] == [1, 1]
    assert ("outbound_settings_version", "0") not in counted
    assert ("outbound_settings_version", "1") in counted
    await pair.ready()


async def test_four_processes_take_less_memory_than_four_workers(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    taken_mb = {}
    for processes in (1, 4):
        centre = Centre(kafka_bootstrap, redis_url, tmp_path, OUTBOUND_PROCESSES=str(processes))
        try:
            await centre.open(campaigns.SETTINGS)
            [worker] = centre.workers
            for portion in range(MEMORY_CALLS // 500):
                calls = [
                    centre.call("second", f"remembered-{portion}-{n}", phone=campaigns.PHONES[n % 7])
                    for n in range(500)
                ]
                await asyncio.gather(*calls)
            own = pids(worker).values() if processes > 1 else ()
            taken_mb[processes] = sum(map(proportional_mb, (worker.process.pid, *own)))
        finally:
            await centre.close()
    print(f"one worker: {taken_mb[1]:.0f} MB; four, with supervisor and front: {taken_mb[4]:.0f} MB")  # noqa: T201
    assert taken_mb[4] < 4 * taken_mb[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_the_supervisor_ends_all_in_good_order(
    centre: Centre, pair: Worker, number: signal.Signals
) -> None:
    await call_many(centre, "before", calls=10)
    assert await pair.stop(number) == 0
    assert not any(map(is_running, pids(pair).values()))
    ends = [line for line in pair.log_lines() if line["event"] == "process_ended"]
    assert sorted((line["process"], line["exit_code"]) for line in ends) == [("0", 0), ("1", 0), ("front", 0)]
    assert "Traceback" not in pair.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_all_at_once_as_a_terminal_sends_it_is_no_other(pair: Worker, number: signal.Signals) -> None:
    for pid in pids(pair).values():
        os.kill(pid, number)
    pair.process.send_signal(number)
    for pid in filter(is_running, pids(pair).values()):
        os.kill(pid, number)
    assert await pair.stop(number) == 0
    assert not any(map(is_running, pids(pair).values()))


async def test_nothing_outlives_a_supervisor_that_is_killed(centre: Centre, pair: Worker) -> None:
    await call_many(centre, "before", calls=10)
    orphans = pids(pair)
    assert await pair.stop(signal.SIGKILL) == -signal.SIGKILL
    await ended(*orphans.values())
    stopped = [line["process"] for line in pair.log_lines() if line["event"] == "worker_stopped"]
    assert sorted(stopped) == ["0", "1"], "they ended, but not in good order"
    await centre.start_worker(OUTBOUND_PROCESSES="2")
    await centre.call("spring", "next")


async def test_one_that_cannot_finish_makes_the_whole_fail_but_not_hang(pair: Worker) -> None:
    os.kill(pids(pair)["0"], signal.SIGSTOP)
    assert await pair.stop() == 1
    assert not any(map(is_running, pids(pair).values()))
    assert "process 0 was killed by SIGKILL" in pair.log.read_text()
    ends = {line["process"]: line for line in pair.log_lines() if line["event"] == "process_ended"}
    assert (ends["0"]["signal"], ends["1"]["exit_code"]) == ("SIGKILL", 0)


async def test_one_process_has_no_supervisor(centre: Centre) -> None:
    await centre.open(SETTINGS)
    [worker] = centre.workers
    assert children_of(worker.process.pid) == ""
    assert "supervisor" not in worker.log.read_text()
    assert "outbound_process_" not in (await worker.get("/metrics"))[1]


@pytest.mark.parametrize(("variable", "value"), [("OUTBOUND_PROCESSES", "0"), ("OUTBOUND_STATE_BUCKETS", "many")])
def test_a_wrong_setting_is_told_once_and_nothing_is_started(centre: Centre, variable: str, value: str) -> None:
    result = centre.command("run", **{"OUTBOUND_PROCESSES": "3", variable: value})
    assert result.returncode == 2
    assert result.stderr.count(variable) == 1
    assert "process_started" not in result.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_started(centre: Centre) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        result = centre.command("run", "--processes", "3", "--http-port", str(port))
    assert result.returncode == 1
    assert result.stderr.count(f"cannot listen on 127.0.0.1:{port}") == 1
    assert "process_started" not in result.stderr
    assert "Traceback" not in result.stderr


def test_topics_that_are_not_there_are_told_once_and_end_the_whole(centre: Centre) -> None:
    result = centre.command("run", "--processes", "3", "--http-port", str(free_port()))
    assert result.returncode == 1
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert "topics create" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
