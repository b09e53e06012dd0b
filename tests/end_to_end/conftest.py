"""A centre per test, or one that the tests of a file share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.centre import Centre


@pytest.fixture
async def centre(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Centre]:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    yield centre
    await centre.close()
