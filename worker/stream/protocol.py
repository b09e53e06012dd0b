"""Kafka's protocol to bytes and back, in fewer steps than aiokafka takes.

aiokafka reads and writes each number of a request by itself, with some calls in Python. A fetch of 24 partitions has
150 in its request and as many in its answer; here those that stand side by side are read and written in one step.
aiokafka has no place for that, hence the two methods that importing this module replaces in it.
"""

from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from struct import Struct, error
from typing import Any, Final, NamedTuple

from aiokafka.protocol.types import Boolean, Float64, Int8, Int16, Int32, Int64, Schema, UInt32

_FORMATS: Final = {Int8: "b", Int16: "h", Int32: "i", UInt32: "I", Int64: "q", Float64: "d", Boolean: "?"}
"""In the letters of `struct`."""


class _Step(NamedTuple):
    """Fields from one to before another: numbers, in a `numbers` of their own, or one of another type."""

    begin: int
    end: int
    numbers: Struct | None
    field: Any


def _steps(schema: Any) -> list[_Step]:  # noqa: ANN401 - aiokafka ships no type information
    """The steps for a schema, which are the same each time."""
    steps: list[_Step] | None = schema.__dict__.get("_steps")
    if steps is None:
        steps = schema._steps = []  # noqa: SLF001 - it is kept where it belongs
        for is_number, run in groupby(enumerate(schema.fields), lambda each: each[1] in _FORMATS):
            numbered = list(run)
            if is_number:
                begin, end = numbered[0][0], numbered[-1][0] + 1
                numbers = Struct(">" + "".join(_FORMATS[field] for _, field in numbered))
                steps.append(_Step(begin, end, numbers, None))
            else:
                steps += [_Step(at, at + 1, None, field) for at, field in numbered]
    return steps


def _decode(self: Any, data: BytesIO) -> tuple[Any, ...]:  # noqa: ANN401
    """Read the fields. Raises `ValueError` if the data end before them."""
    values: list[Any] = []
    try:
        for _, _, numbers, field in _steps(self):
            if numbers is not None:
                values += numbers.unpack(data.read(numbers.size))
            else:
                values.append(field.decode(data))
    except error as short:
        raise ValueError(f"the data end before all of {self.names} was read") from short
    return tuple(values)


def _encode(self: Any, item: Sequence[Any]) -> bytes:  # noqa: ANN401
    """Write the fields. Raises `ValueError` if there are more or fewer of them, or a number that does not fit."""
    if len(item) != len(self.fields):
        raise ValueError(f"{len(item)} values are not {self.names}")
    parts: list[bytes] = []
    try:
        for begin, end, numbers, field in _steps(self):
            parts.append(numbers.pack(*item[begin:end]) if numbers is not None else field.encode(item[begin]))
    except error as misfit:
        raise ValueError(f"{self.names} cannot hold {item}: {misfit}") from misfit
    return b"".join(parts)


Schema.decode = _decode
Schema.encode = _encode
