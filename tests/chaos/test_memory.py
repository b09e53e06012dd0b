"""A million records: what the worker holds in memory while it works them off, and a rebuild while it reads them."""

import asyncio
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.end_to_end.centre import COMMAND, Centre, Worker
from tests.services.redis import redis_server
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
        written, worker = await worked_off(centre, compression)
        now_kb, most_kb = resident_kb(worker.process.pid)
        print(f"{written} records, {compression}: resident {now_kb} kB, at most {most_kb} kB")  # noqa: T201 - the figure
        assert most_kb < LIMIT_KB
    finally:
        await centre.close()


async def test_a_million_records_are_rebuilt_within_bounds(kafka_bootstrap: str, tmp_path: Path) -> None:
    with redis_server() as server:
        centre = Centre(kafka_bootstrap, server.url, tmp_path)
        try:
            written, worker = await worked_off(centre, "none")
            assert await worker.stop() == 0
            with server.client() as client:
                keys = client.dbsize()
                client.flushall()
                elapsed_s, usage, most_kb = await asyncio.to_thread(_measured, [*COMMAND, "rebuild", "--all"], centre)
                assert client.dbsize() == keys
            cpu_us = (usage.ru_utime + usage.ru_stime) * 1e6 / written
            print(  # noqa: T201 - the figures
                f"{written} records rebuilt: {written / elapsed_s:.0f}/s, {cpu_us:.1f} us of CPU each, "
                f"at most {most_kb} kB resident"
            )
            assert most_kb < LIMIT_KB
        finally:
            await centre.close()


def _measured(command: Sequence[str], centre: Centre) -> tuple[float, resource.struct_rusage, int]:
    """Run a command that must succeed: how long it took, in seconds, what it used, and its memory at most in KiB."""
    begun_at_s, most_kb = time.monotonic(), 0
    program = subprocess.Popen(command, env=centre.environment, cwd=centre.folder, stdout=subprocess.DEVNULL)
    while not (waited := os.wait4(program.pid, os.WNOHANG))[0]:
        # Not the usage's own maximum: that counts what the tests held when the command was forked off them.
        most_kb = max(most_kb, resident_kb(program.pid)[1])
        time.sleep(0.1)
    program.returncode = os.waitstatus_to_exitcode(waited[1])
    assert program.returncode == 0
    return time.monotonic() - begun_at_s, waited[2], most_kb


async def worked_off(centre: Centre, compression: str) -> tuple[int, Worker]:
    """A worker that has handled a million records, and how many those were."""
    await centre.open(SETTINGS, workers=0)
    written = write_backlog(centre, REQUESTS, compression=compression)
    worker = await centre.start_worker()
    handled = 0
    while handled < written:  # as long as it goes on: each step has its own patience
        handled = min(handled + 50_000, written)
        await worker.handled("records", handled)
    return written, worker
