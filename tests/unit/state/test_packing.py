from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Connection

from worker.state import packing  # noqa: F401 - what is tested takes effect by its import

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
arguments = st.tuples(st.sampled_from(["MGET", b"EVALSHA"])).flatmap(
    lambda name: st.lists(texts | st.binary(max_size=8_000) | st.integers(-(2**63), 2**63), max_size=6).map(
        lambda rest: (*name, *rest)
    )
)


@given(st.lists(arguments, max_size=4))
def test_commands_of_a_pipeline_are_packed_as_redis_py_packs_each(commands: list[tuple[Any, ...]]) -> None:
    connection = Connection()
    packed = b"".join(connection.pack_commands(commands))
    assert packed == b"".join(part for command in commands for part in connection.pack_command(*command))


def test_what_redis_has_no_bytes_for_is_refused() -> None:
    with pytest.raises(TypeError):
        Connection().pack_commands([("SET", "key", object())])  # type: ignore[list-item]
