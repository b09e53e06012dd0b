"""The configuration as flags: one for each field, from the same definition as the environment variable."""

import functools
from collections.abc import Callable
from typing import Any, get_args

import click
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.config import PREFIX, Config

Command = Callable[..., Any]


def configured(*sections: str) -> Callable[[Command], Command]:
    """Give a command the flags of these sections of the configuration, and the `Config` they make.

    A flag wins over its environment variable. What does not fit is wrong use: exit code 2.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_config(**arguments: Any) -> Any:  # noqa: ANN401 - as click calls commands
            flags = {name: arguments.pop(name) for name in list(arguments) if name in Config.model_fields}
            given = {name: value for name, value in flags.items() if value is not None}
            return command(config=load_config(**given), **arguments)

        flagged: Command = with_config
        for name, field in reversed(Config.model_fields.items()):
            if _section(field) in sections:
                flagged = _flag(name, field)(flagged)
        return flagged

    return decorate


def load_config(**flags: Any) -> Config:  # noqa: ANN401 - pydantic judges the values
    """The configuration from the environment and the flags. Raises `click.UsageError`, naming both."""
    try:
        return Config(**flags)
    except ValidationError as error:
        raise click.UsageError("\n".join(map(_words, error.errors(include_url=False)))) from None


def _words(error: ErrorDetails) -> str:
    words = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return words
    name = str(error["loc"][0])
    return f"{_environment(name)} ({_option(name)}): {words}"


def _flag(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    described = f"{field.description}  [{_environment(name)}"
    if field.default not in (None, SecretStr("")):
        described += f"; default: {field.default}"
    if field.annotation is bool:
        return click.option(f"{_option(name)}/--no-{_option(name)[2:]}", name, default=None, help=described + "]")
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return click.option(_option(name), name, type=click.Choice(choices), help=described + "]")
    return click.option(_option(name), name, metavar="VALUE", help=described + "]")


def _section(field: FieldInfo) -> object:
    extra = field.json_schema_extra
    return extra["section"] if isinstance(extra, dict) else None


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _environment(name: str) -> str:
    return PREFIX + name.upper()
