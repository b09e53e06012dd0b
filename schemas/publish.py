"""The contract for those who don't read Python: JSON Schema and AsyncAPI documents, generated from the models.

They are a function of the models and of `examples/valid` alone, so a document is stale exactly when the contract
moved on without it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from schemas.asyncapi import Json, asyncapi
from schemas.json_schema import RECORD_TYPES, document

SHOWN: Final = ("minimal", "all-fields")
"""The valid examples that the documents show of each type. The others are for tests."""

_ASYNCAPI: Final = "asyncapi.yaml"
_HEAD: Final = "# Generated from the models: change those, then run `python -m schemas`.\n"


def publish(folder: Path) -> None:
    """Write every document below `folder`, and remove those of types that are no more. Reads `folder`/examples."""
    wanted = documents(folder)
    for path in _published(folder) - wanted.keys():
        (folder / path).unlink()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(text.encode())


def differences(folder: Path) -> list[str]:
    """What `publish` would change, a line for each file, by its path below `folder`."""
    wanted, found = documents(folder), _published(folder)
    return [
        *(f"{path}: missing" for path in sorted(wanted.keys() - found)),
        *(f"{path}: surplus, no such record type" for path in sorted(found - wanted.keys())),
        *(
            f"{path}: stale"
            for path in sorted(found & wanted.keys())
            if (folder / path).read_bytes() != wanted[path].encode()
        ),
    ]


def documents(folder: Path) -> dict[str, str]:
    """Every document's path below `folder` and its text. Raises `FileNotFoundError` if a shown example is missing."""
    examples = {record_type: _examples(folder, record_type) for record_type in RECORD_TYPES}
    texts = {
        f"json/{record_type}.json": json.dumps(
            document(record_type, list(shown.values())), indent=2, ensure_ascii=False
        )
        + "\n"
        for record_type, shown in examples.items()
    }
    return {**texts, _ASYNCAPI: _HEAD + _yaml(asyncapi(examples))}


def _examples(folder: Path, record_type: str) -> Mapping[str, object]:
    valid = folder / "examples" / "valid" / record_type
    return {name: json.loads((valid / f"{name}.json").read_bytes()) for name in SHOWN}


def _published(folder: Path) -> set[str]:
    found = [*folder.glob("json/*.json"), *folder.glob(_ASYNCAPI)]
    return {path.relative_to(folder).as_posix() for path in found}


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice: an anchor saves bytes and costs the reader."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def _yaml(content: Json) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
