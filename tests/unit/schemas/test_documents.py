"""The generated JSON Schema and AsyncAPI documents: fresh, well formed, and true to the records."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

import schemas
from schemas.json_schema import RECORD_TYPES
from schemas.publish import differences, publish
from schemas.settings import SETTINGS_RECORD

FOLDER: Final = Path(schemas.__file__).parent
ASYNCAPI: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_bytes())
MESSAGES: Final[dict[str, dict[str, Any]]] = ASYNCAPI["components"]["messages"]
SETTINGS: Final = ("number", "project", "agent", "outcome")
ANY_KEY: Final = "deleted"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(FOLDER, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))


def check(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemas", *options]
    return subprocess.run(command, cwd=copy.parent, capture_output=True, text=True, check=False)


def references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def resolved(reference: str) -> Any:
    assert reference.startswith("#/")
    node: Any = ASYNCAPI
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def misfits(schema: dict[str, Any], value: object) -> list[str]:
    """Errors of a value against a schema of the AsyncAPI document, whose own dialect builds on draft 7."""
    document = Resource.from_contents(ASYNCAPI, default_specification=DRAFT7)
    registry: Registry[Any] = Registry().with_resource("urn:asyncapi", document)
    # A reference without a base of its own points into the whole document.
    based = json.loads(json.dumps(schema).replace('"$ref": "#', '"$ref": "urn:asyncapi#'))
    return [error.message for error in Draft7Validator(based, registry=registry).iter_errors(value)]


def test_the_documents_are_fresh() -> None:
    assert differences(FOLDER) == []


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_each_json_schema_is_one_and_allows_unknown_fields(record_type: str) -> None:
    document = json.loads((FOLDER / f"json/{record_type}.json").read_bytes())
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)
    assert document["additionalProperties"] is True
    assert document["properties"]["type"] == {"const": record_type, "type": "string"}
    assert "type" in document["required"]


def test_a_missing_a_surplus_and_a_stale_document_are_named_and_mended(copy: Path) -> None:
    (copy / "json/agent.json").unlink()
    (copy / "json/pigeon.json").write_text("{}")
    with (copy / "asyncapi.yaml").open("a") as document:
        document.write("\n")
    assert differences(copy) == [
        "json/agent.json: missing",
        "json/pigeon.json: surplus, no such record type",
        "asyncapi.yaml: stale",
    ]
    publish(copy)
    assert differences(copy) == []
    assert not (copy / "json/pigeon.json").exists()


def test_the_documents_are_the_same_bytes_each_time(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    publish(copy)
    assert {path: path.read_bytes() for path in before} == before


def test_check_fails_after_a_change_of_the_models_until_the_documents_are_generated_again(copy: Path) -> None:
    models = copy / "events.py"
    models.write_text(models.read_text().replace("max_length=100,", "max_length=99,"))
    stale = check(copy, "--check")
    assert stale.returncode == 1
    assert stale.stderr.splitlines() == [
        "schemas/asyncapi.yaml: stale; run `python -m schemas` and commit what it changes",
        "schemas/json/call-requested.json: stale; run `python -m schemas` and commit what it changes",
    ]
    assert check(copy).returncode == 0
    fresh = check(copy, "--check")
    assert (fresh.returncode, fresh.stderr) == (0, "")


def test_the_asyncapi_document_has_no_anchors_to_follow() -> None:
    tokens = yaml.scan((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert not [token for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    found = list(references(ASYNCAPI))
    assert len(found) > len(RECORD_TYPES)
    for each in found:
        assert isinstance(resolved(each), dict)


def test_every_channel_operation_and_message_of_the_asyncapi_document_is_used() -> None:
    found = set(references(ASYNCAPI))
    assert {f"#/channels/{name}" for name in ASYNCAPI["channels"]} <= found
    assert {f"#/components/messages/{name}" for name in MESSAGES} <= found
    assert {f"#/components/schemas/{name}" for name in ASYNCAPI["components"]["schemas"]} <= found


def test_the_topics_carry_the_records_of_the_contract_in_the_worker_s_direction() -> None:
    carried = {name: set(channel["messages"]) for name, channel in ASYNCAPI["channels"].items()}
    assert carried == {
        "call-requested": {"call-requested"},
        "call-outcome": {"call-outcome"},
        "number-assigned": {"number-assigned", "assignment-rejected"},
        "routing-settings": {*SETTINGS, "deleted"},
        "dead-letters": {"dead-letter"},
    }
    directions = {each["channel"]["$ref"]: each["action"] for each in ASYNCAPI["operations"].values()}
    assert directions == {
        "#/channels/call-requested": "receive",
        "#/channels/call-outcome": "receive",
        "#/channels/number-assigned": "send",
        "#/channels/routing-settings": "receive",
        "#/channels/dead-letters": "send",
    }


@pytest.mark.parametrize("message", MESSAGES)
def test_every_example_of_the_asyncapi_document_fits_its_payload_and_headers(message: str) -> None:
    described = MESSAGES[message]
    examples = described.get("examples", [])
    assert examples or message == "deleted"
    for example in examples:
        assert misfits(described["payload"], example["payload"]) == []
        assert example.keys() - {"name", "payload"} == described.keys() & {"headers"}
        assert misfits(described.get("headers", {}), example.get("headers", {})) == []


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_the_asyncapi_payload_of_a_record_type_is_its_json_schema(record_type: str) -> None:
    document = json.loads((FOLDER / f"json/{record_type}.json").read_bytes())
    payload = resolved(MESSAGES[record_type]["payload"]["$ref"])
    assert payload["properties"].keys() == document["properties"].keys()
    assert payload["required"] == document["required"]
    assert misfits(payload, {}) == [f"'{field}' is a required property" for field in document["required"]]


@pytest.mark.parametrize("example", sorted(FOLDER.glob("examples/valid/*/*.json")), ids=lambda path: path.stem)
def test_the_key_that_a_record_bears_fits_the_described_one(example: Path) -> None:
    record_type = example.parent.name
    if record_type in SETTINGS:
        key = SETTINGS_RECORD.validate_json(example.read_bytes()).key
        assert misfits(MESSAGES[ANY_KEY]["bindings"]["kafka"]["key"], key) == []
    else:
        key = json.loads(example.read_bytes())["contact_id"] or "its own"
    assert misfits(MESSAGES[record_type]["bindings"]["kafka"]["key"], key) == []


@pytest.mark.parametrize("record_type", SETTINGS)
def test_the_key_of_another_record_type_does_not_fit(record_type: str) -> None:
    for other in {*SETTINGS, "campaign"} - {record_type}:
        assert misfits(MESSAGES[record_type]["bindings"]["kafka"]["key"], f"{other}:+358912345678")


@pytest.mark.parametrize("message", ["number-assigned", "assignment-rejected"])
def test_a_reply_names_the_record_it_answers_in_a_header(message: str) -> None:
    assert MESSAGES[message]["headers"]["required"] == ["outbound-source"]
    pattern = MESSAGES[message]["headers"]["properties"]["outbound-source"]["pattern"]
    assert re.search(pattern, "eu.call_requested-2:0:1795507200000")
    assert not re.search(pattern, "call-requested:0")


def test_a_dead_letter_says_where_it_came_from_and_why_as_kafka_connect_does() -> None:
    described = MESSAGES["dead-letter"]["headers"]
    assert described["required"] == [
        "__connect.errors.topic",
        "__connect.errors.partition",
        "__connect.errors.offset",
        "__connect.errors.stage",
        "__connect.errors.exception.class.name",
        "__connect.errors.exception.message",
    ]
    assert described["properties"].keys() - set(described["required"]) == {"outbound-value-omitted"}
