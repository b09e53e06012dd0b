"""`settings check`, `diff`, `apply` and `export`."""

from pathlib import Path

import click

from worker.app import call_topics, kafka_connection
from worker.cli.failing import run_to_end
from worker.cli.options import configured
from worker.config import Config
from worker.settings.difference import Difference, difference
from worker.settings.export import export_yaml
from worker.settings.file import SettingsFile, SettingsFileError, load
from worker.stream.settings_topic import read_settings, write_settings

FILE = click.argument("file", type=click.Path(path_type=Path))

WRONG_FILE = 2
"""Exit code of a file that does not fit."""


@click.group
def settings() -> None:
    """The settings: numbers, projects, agents, outcomes."""


@settings.command
@FILE
def check(file: Path) -> None:
    """Say whether FILE fits and fits together, without asking any server."""
    loaded = load_or_exit(file)
    click.echo(f"{file}: {loaded.summary}")


@settings.command
@FILE
@configured("kafka", "topics")
def diff(file: Path, config: Config) -> None:
    """Show what applying FILE would change."""
    _show(_difference(file, config))


@settings.command
@FILE
@click.option("--yes", is_flag=True, help="Apply without asking.")
@configured("kafka", "topics")
def apply(file: Path, config: Config, *, yes: bool) -> None:
    """Make FILE the settings: write what differs, delete what it does not name."""
    changes = _difference(file, config)
    _show(changes)
    if changes.is_empty:
        return
    if not yes:
        click.confirm("Apply?", abort=True)
    writes = changes.writes()
    run_to_end(write_settings(kafka_connection(config), call_topics(config).routing_settings, writes))
    click.echo(f"Applied: {len(writes)} record{'' if len(writes) == 1 else 's'} written.")


@settings.command
@configured("kafka", "topics")
def export(config: Config) -> None:
    """Print the settings in force as a file for `apply`."""
    fold = run_to_end(read_settings(kafka_connection(config), call_topics(config).routing_settings))
    click.echo(export_yaml(fold.records()), nl=False)


def load_or_exit(file: Path) -> SettingsFile:
    """The file, checked; if it does not fit, all that is wrong with it on standard error and exit code 2."""
    try:
        return load(file)
    except SettingsFileError as error:
        click.echo(str(error), err=True)
        raise SystemExit(WRONG_FILE) from None


def _difference(file: Path, config: Config) -> Difference:
    wanted = load_or_exit(file)
    fold = run_to_end(read_settings(kafka_connection(config), call_topics(config).routing_settings))
    return difference(fold.records(), wanted.records, fold.shadowed)


def _show(changes: Difference) -> None:
    if changes.is_empty:
        click.echo("No difference: the settings are as the file says.")
    for line in changes.lines():
        click.echo(line)
