"""What is read and written in one step is, field by field, what aiokafka reads and writes."""

from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v4, FetchResponse_v11
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    UInt32,
)
from hypothesis import given
from hypothesis import strategies as st

import worker.stream.protocol  # noqa: F401 - how schemas are read and written


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


PLAIN: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Int8, whole(8)),
    (Int16, whole(16)),
    (Int32, whole(32)),
    (Int64, whole(64)),
    (UInt32, st.integers(0, 2**32 - 1)),
    (Float64, st.floats(allow_nan=False)),
    (Boolean, st.booleans()),
    (Bytes, st.none() | st.binary(max_size=5)),
    (String(), st.none() | st.text(max_size=5)),
]


def fields(of: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """A schema, and a value of it."""
    return st.lists(of, max_size=6).map(
        lambda some: (
            Schema(*((f"field_{n}", field) for n, (field, _) in enumerate(some))),
            tuple(value for _, value in some),
        )
    )


plain = st.sampled_from(PLAIN).flatmap(lambda each: st.tuples(st.just(each[0]), each[1]))
arrays = fields(plain).flatmap(
    lambda schema: st.integers(0, 3).map(lambda count: (Array(schema[0]), [schema[1]] * count))
)
schemas = fields(plain | arrays | fields(plain))


def one_by_one(field: Any, value: Any) -> Any:
    """The bytes of a value, each number by itself."""
    match field:
        case Schema():
            return b"".join(one_by_one(each, part) for each, part in zip(field.fields, value, strict=True))
        case Array():
            return Int32.encode(len(value)) + b"".join(one_by_one(field.array_of, each) for each in value)
        case _:
            return field.encode(value)


@given(schemas)
def test_bytes_are_those_of_the_fields_one_by_one_and_read_to_the_same(schema: tuple[Any, Any]) -> None:
    field, value = schema
    for _ in range(2):  # as the steps are made, and as they are kept
        written = field.encode(value)
        assert written == one_by_one(field, value)
        data = BytesIO(written + b"what follows")
        assert field.decode(data) == value
        assert data.read() == b"what follows"


@given(schemas)
def test_data_that_end_too_soon_are_no_value(schema: tuple[Any, Any]) -> None:
    field, value = schema
    if written := field.encode(value):
        with pytest.raises(ValueError):  # noqa: PT011 - aiokafka words it for what is no number
            field.decode(BytesIO(written[:-1]))


def test_values_that_do_not_fit_are_refused_and_named() -> None:
    schema = Schema(("many", Int16), ("few", Int8))
    with pytest.raises(ValueError, match="'few'"):
        schema.encode((1, 2**7))
    with pytest.raises(ValueError, match="'few'"):
        schema.encode((1,))


@pytest.mark.parametrize(
    ("answer", "middle"), [(FetchResponse_v4, ([(7, 3)],)), (FetchResponse_v11, (5, [(7, 3)], -1))]
)
def test_an_answer_to_a_fetch_is_read(answer: Any, middle: tuple[Any, ...]) -> None:
    before = (0, 0, 0) if answer.API_VERSION > 4 else (0,)
    topics = [("calls", [(index, 0, 2**40 + index, 2**33, *middle, b"records") for index in range(3)])]
    written = one_by_one(answer.SCHEMA, (*before, topics))
    assert answer.decode(written).topics == topics


def test_a_fetch_is_written() -> None:
    topics = [("calls", [(index, -1, 2**40, -1, 1_000) for index in range(3)])]
    parts: tuple[Any, ...] = (-1, 3, 1, 1_000, 1, 0, -1, topics, [], "")
    assert FetchRequest_v11(*parts).encode() == one_by_one(FetchRequest_v11.SCHEMA, parts)
