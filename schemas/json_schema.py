"""JSON Schema 2020-12 of each record type, generated from the models."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from schemas.events import AssignmentRejected, CallOutcome, CallRequested, NumberAssigned
from schemas.fields import Record
from schemas.settings import AgentSettings, NumberSettings, OutcomeSettings, ProjectSettings

RECORD_TYPES: Final[Mapping[str, tuple[type[Record], JsonSchemaMode]]] = {
    "call-requested": (CallRequested, "validation"),
    "call-outcome": (CallOutcome, "validation"),
    "number-assigned": (NumberAssigned, "serialization"),
    "assignment-rejected": (AssignmentRejected, "serialization"),
    "number": (NumberSettings, "validation"),
    "project": (ProjectSettings, "validation"),
    "agent": (AgentSettings, "validation"),
    "outcome": (OutcomeSettings, "validation"),
}
"""Each `type` with its model and the side that its schema takes: of what the worker reads, what it accepts; of what it
writes, what a reader can count on."""


def document(record_type: str, examples: Sequence[object]) -> JsonSchemaValue:
    """The JSON Schema of one `type`, as a document that stands alone."""
    model, mode = RECORD_TYPES[record_type]
    schema = model.model_json_schema(mode=mode, schema_generator=_ContractSchema)
    named = {key: schema.pop(key) for key in ("title", "description")}
    return {"$schema": GenerateJsonSchema.schema_dialect, **named, **schema, "examples": list(examples)}


def components(ref_template: str) -> tuple[dict[str, JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """The schemas of all types: a reference by `type`, and what is referred to by the name in `ref_template`."""
    references, schemas = models_json_schema(
        list(RECORD_TYPES.values()), ref_template=ref_template, schema_generator=_ContractSchema
    )
    return {record_type: references[key] for record_type, key in RECORD_TYPES.items()}, schemas["$defs"]


class _ContractSchema(GenerateJsonSchema):
    """Pydantic's generator, told what it cannot see in one model alone."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the signature is pydantic's
        # A title made from a field's name says nothing that the name doesn't.
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ANN401, FBT001 - the signature is pydantic's
        # The records of a topic are told apart by their tag, so JSON needs it where Python has a default.
        return _is_tag(field["schema"]) or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if _is_tag(schema):
            del described["default"]
        return described


def _is_tag(schema: Mapping[str, Any]) -> bool:
    inner = schema["schema"] if schema["type"] == "default" else schema
    return bool(inner["type"] == "literal" and len(inner["expected"]) == 1)
