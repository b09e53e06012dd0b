"""What the code may not do at all: run what it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = sorted(path for layer in ("worker", "schemas") for path in (ROOT / layer).rglob("*.py"))

MODULES: Final = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "code", "codeop"}
"""Modules that run what they read, or that are for that."""

CALLS: Final = {"eval", "exec", "compile", "__import__"}

YAML: Final = {
    "load",
    "load_all",
    "unsafe_load",
    "full_load",
    "Loader",
    "UnsafeLoader",
    "FullLoader",
    "CLoader",
    "CUnsafeLoader",
}
"""What of PyYAML makes objects of what the file names."""


def breaches(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                yield from [module] if module.split(".")[0] in MODULES else []
                yield from (alias.name for alias in names if module == "yaml" and alias.name in YAML)
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield name
            case ast.Attribute(value=ast.Name(id="yaml"), attr=name) if name in YAML:
                yield f"yaml.{name}"
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield "shell=True"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_read_is_run(path: Path) -> None:
    assert list(breaches(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal",
        "from pickle import loads",
        "eval(text)",
        "exec(text)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nclass L(yaml.CUnsafeLoader): pass",
        "from yaml import full_load",
        "run(text, shell=True)",
    ],
)
def test_it_would_be_seen(source: str) -> None:
    assert list(breaches(source))
