"""The commands, gathered."""

import click

from worker.cli.dead_letters import dead_letters
from worker.cli.demo import demo
from worker.cli.explain import explain
from worker.cli.rebuild import rebuild
from worker.cli.run import run
from worker.cli.settings import settings
from worker.cli.topics import topics


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="outbound-numbers")
def main() -> None:
    """Choose the outbound number of every call, from events in Kafka and state in Redis."""


for command in (run, topics, settings, explain, rebuild, dead_letters, demo):
    main.add_command(command)
