"""`settings check`, `diff`, `apply` and `export`, as an administrator uses them, and misuses them."""

from pathlib import Path

import pytest

from tests.end_to_end.centre import HELSINKI, STOCKHOLM, TAMPERE, Centre

SETTINGS = f"""\
numbers:
  - {{number: "{HELSINKI}", label: Sales}}
  - {{number: "{TAMPERE}", active: false}}
projects:
  - project_id: spring
    numbers: ["{HELSINKI}", "{TAMPERE}"]
    outcomes: {{busy: "{HELSINKI}"}}
agents:
  - {{agent_id: anna, name: Anna, number: "{HELSINKI}"}}
"""


@pytest.fixture
def office(centre: Centre) -> Centre:
    centre.done("topics", "create", "--partitions", "1", "--replication-factor", "1")
    return centre


def written(centre: Centre, text: str) -> str:
    file = centre.folder / "settings.yaml"
    file.write_text(text)
    return str(file)


def test_an_applied_file_is_exported_again_and_differs_in_nothing(office: Centre) -> None:
    office.apply(SETTINGS)
    exported = office.done("settings", "export")
    assert "No difference" in office.done("settings", "diff", written(office, exported))
    assert "No difference" in office.apply(SETTINGS)


def test_a_difference_is_shown_and_nothing_written(office: Centre) -> None:
    file = written(office, SETTINGS)
    shown = office.done("settings", "diff", file)
    assert f"+ number {HELSINKI}" in shown
    assert "+ project spring" in shown
    assert office.done("settings", "diff", file) == shown


def test_what_the_file_no_longer_names_is_deleted(office: Centre) -> None:
    office.apply(SETTINGS)
    without_agent = SETTINGS[: SETTINGS.index("agents:")]
    assert "- agent anna" in office.apply(without_agent)
    assert "anna" not in office.done("settings", "export")


def test_without_yes_it_asks_and_writes_only_when_told_to(office: Centre) -> None:
    file = written(office, SETTINGS)
    refused = office.command("settings", "apply", file, stdin="n\n")
    assert refused.returncode == 1
    assert "spring" not in office.done("settings", "export")
    accepted = office.command("settings", "apply", file, stdin="y\n")
    assert accepted.returncode == 0, accepted.stderr
    assert "spring" in office.done("settings", "export")


def test_only_what_differs_is_written(office: Centre) -> None:
    office.apply(SETTINGS)
    assert "1 record written" in office.apply(SETTINGS.replace("label: Sales", "label: Service"))


def test_a_file_is_checked_without_any_server(centre: Centre) -> None:
    centre.environment["OUTBOUND_KAFKA_BOOTSTRAP"] = "localhost:1"
    assert "2 numbers, 1 project" in centre.done("settings", "check", written(centre, SETTINGS))


@pytest.mark.parametrize("command", ["check", "diff", "apply"])
def test_a_file_that_does_not_fit_together_is_refused_with_place_and_mend(office: Centre, command: str) -> None:
    file = written(office, SETTINGS.replace(f'busy: "{HELSINKI}"', f'busy: "{STOCKHOLM}"'))
    result = office.command("settings", command, file)
    assert result.returncode == 2
    assert "settings.yaml:7:22:" in result.stderr
    assert STOCKHOLM in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_is_named(centre: Centre, tmp_path: Path) -> None:
    result = centre.command("settings", "check", str(tmp_path / "nowhere.yaml"))
    assert result.returncode == 2
    assert "nowhere.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_brokers_that_are_not_there_are_named(centre: Centre) -> None:
    centre.environment["OUTBOUND_KAFKA_BOOTSTRAP"] = "localhost:1"
    result = centre.command("settings", "apply", written(centre, SETTINGS), "--yes")
    assert result.returncode == 1
    assert "localhost:1" in result.stderr
    assert "Traceback" not in result.stderr


def test_topics_that_exist_otherwise_are_refused(office: Centre) -> None:
    result = office.command("topics", "create", "--partitions", "2", "--replication-factor", "1")
    assert result.returncode == 1
    assert "exists with 1 partitions, and 2 were asked for" in result.stderr
