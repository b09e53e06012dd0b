"""The commands, gathered.

The module of each is imported when it is called: `run` needs nothing of what the others are made of, which takes
25 ms of CPU and 2 MB.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

import click

from worker.cli.memory import give_back_freed_memory

COMMANDS: Final = {
    name: name.replace("-", "_") for name in ("run", "topics", "settings", "explain", "rebuild", "dead-letters", "demo")
}
"""Commands, and what both their module and its function are called."""


class Commands(click.Group):
    """The commands by name, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """All names, in the order of the help."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """The command of this name, if there is one."""
        name = COMMANDS.get(cmd_name)
        if name is None:
            return None
        with _no_collection():
            command: click.Command = getattr(import_module(f"worker.cli.{name}"), name)
        return command


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for garbage while modules are imported: they leave hardly any, and it takes 60 of 420 ms of CPU."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="outbound-numbers")
def main() -> None:
    """Choose the outbound number of every call, from events in Kafka and state in Redis."""
    give_back_freed_memory()
