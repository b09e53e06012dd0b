"""Field types that the events and the settings records share. All of them are checked inside pydantic-core."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

MAX_ID_LENGTH = 1_000
"""Characters, not bytes. Ids come from other systems; the bound keeps keys and replies bounded."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
"""An identifier of another system: any unicode, 1 to 1,000 characters, never interpreted."""

CallId = Annotated[Id, Field(description="The dialer's id of the call, unique within the contact.")]
ProjectId = Annotated[Id, Field(description="The project that calls.")]
ContactId = Annotated[Id, Field(description="The contact who is called; also the record key.")]
AgentId = Annotated[Id, Field(description="The agent who calls.")]

E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{1,14}$")]
"""An international number as ITU-T E.164 section 6 writes it: `+`, at most 15 digits, no punctuation."""

Flag = Annotated[bool, Strict()]
"""True or false, not a word or a number that means it."""

Whole = Annotated[int, Strict()]
"""A whole number, written without a fraction."""

Text = Annotated[str, Field(max_length=MAX_ID_LENGTH)]
"""Words for people: a name or a label."""

RFC_3339: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
"""The shape of `date-time` in RFC 3339 section 5.6, less the leap seconds."""


def _instant_schema(_source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
    # Pydantic's parser alone takes more than RFC 3339: seconds since 1970, also as text, and days without a time.
    # The bounds refuse what lies outside the years 1 to 9999 once it is put in UTC, which no `datetime` can hold.
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    text = core_schema.chain_schema(
        [
            core_schema.str_schema(pattern=RFC_3339),
            core_schema.datetime_schema(tz_constraint="aware", ge=first, le=last),
        ]
    )
    return core_schema.json_or_python_schema(
        json_schema=core_schema.custom_error_schema(
            text,
            custom_error_type="rfc_3339",
            custom_error_message="Input should be an RFC 3339 time with an offset, as 2026-03-02T09:15:00+02:00",
        ),
        python_schema=core_schema.datetime_schema(tz_constraint="aware", strict=True, ge=first, le=last),
    )


Instant = Annotated[
    datetime,
    GetPydanticSchema(_instant_schema),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC_3339}),
]
"""An RFC 3339 time with an offset, to the microsecond: finer digits are dropped, a leap second is refused.

From Python only an aware `datetime` is taken.
"""


class Record(BaseModel):
    """A JSON object of the contract. Unknown fields are ignored: they belong to tomorrow's versions.

    Where a field stands twice, the last one counts.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra={"additionalProperties": True})
