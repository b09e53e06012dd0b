"""`demo`: the worker with a broker, a Redis and a dialer of its own."""

import sys
from pathlib import Path

import click

from worker.cli.failing import run_to_end
from worker.cli.settings import WRONG_FILE, load_or_exit
from worker.cli.stopping import stop_event
from worker.demo.events_file import EventsFileError, FileEvent, load_events
from worker.demo.extra import DemoError, missing
from worker.demo.showing import Json, Lines, Show
from worker.demo.stage import Act, dialing, perform, replaying
from worker.settings.file import SettingsFile

SAMPLE = Path(__file__).parents[1] / "demo" / "settings.yaml"
RATE_PER_S = 5.0
SEED = 1


@click.command
@click.option("--settings", type=click.Path(path_type=Path), default=SAMPLE, help="Settings file; a sample by default.")
@click.option("--events", type=click.Path(path_type=Path), help="Your own events, as JSON lines, not the dialer's.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help=f"Calls a second; {RATE_PER_S:g} by default.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="How long to call; by default until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Replies as JSON lines, as they are published, and no table.")
def demo(settings: Path, events: Path | None, rate: float | None, seconds: float | None, *, as_json: bool) -> None:
    """Show the worker at work, with nothing else installed: a broker, a Redis and a dialer come with it.

    A simulated dialer calls contacts of several countries. With --events it is your own calls that are answered, in
    the order of the file, and the command ends when all of them are.
    """
    loaded = load_or_exit(settings)
    show = _show(as_json=as_json)
    if events is None:
        _check_projects(loaded)
        act = dialing(loaded.records, rate_per_s=rate or RATE_PER_S, seconds=seconds, seed=SEED, show=show)
    else:
        if rate is not None or seconds is not None:
            raise click.UsageError("--rate and --seconds are for the simulated dialer; leave them out with --events")
        own = _load_events_or_exit(events)
        if not own:
            return
        act = replaying(own, show=show)
    try:
        finished = run_to_end(_perform(loaded, act, show))
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    if events is not None and not finished:
        raise click.ClickException("stopped before every request of the file was answered")


async def _perform(settings: SettingsFile, act: Act, show: Show) -> bool:
    return await perform(settings.records, act, show, stop_event())


def _show(*, as_json: bool) -> Show:
    if as_json:
        return Json()
    if not sys.stdout.isatty():
        return Lines()
    try:
        from worker.demo.table import LiveTable  # noqa: PLC0415 - the extra may be missing
    except ImportError:
        raise click.ClickException(str(missing("rich"))) from None
    return LiveTable()


def _check_projects(settings: SettingsFile) -> None:
    if not any(record.type == "project" for record in settings.records):
        click.echo(f"{settings.path}: there is no project to call for; list one under projects", err=True)
        raise SystemExit(WRONG_FILE)


def _load_events_or_exit(events: Path) -> list[FileEvent]:
    try:
        return load_events(events)
    except EventsFileError as error:
        click.echo(str(error), err=True)
        raise SystemExit(WRONG_FILE) from None
