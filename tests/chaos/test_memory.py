"""A million records of backlog: what the worker holds in memory, and that all of it is worked off."""

import os
from pathlib import Path

import pytest

from tests.end_to_end.centre import Centre
from tests.topologies.backlog import LIMIT_KB, SETTINGS, resident_kb, write_backlog

pytestmark = pytest.mark.skipif("CHAOS_SECONDS" not in os.environ, reason="some 4 minutes, in make chaos alone")

REQUESTS = 666_667
"""With an outcome to each second one: a million records."""


@pytest.mark.parametrize("compression", ["none", "zstd"])
async def test_a_million_records_are_worked_off_within_bounds(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path, compression: str
) -> None:
    centre = Centre(kafka_bootstrap, redis_url, tmp_path)
    try:
        await centre.open(SETTINGS, workers=0)
        written = write_backlog(centre, REQUESTS, compression=compression)
        worker = await centre.start_worker()
        handled = 0
        while handled < written:  # as long as it goes on: each step has its own patience
            handled = min(handled + 50_000, written)
            await worker.handled("records", handled)
        now_kb, most_kb = resident_kb(worker)
        print(f"{written} records, {compression}: resident {now_kb} kB, at most {most_kb} kB")  # noqa: T201 - the figure
        assert most_kb < LIMIT_KB
    finally:
        await centre.close()
