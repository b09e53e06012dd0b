import platform
import subprocess
import sys

import pytest

HELD_KB = """
from pathlib import Path
from worker.cli.main import main

def resident_kb():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])

main(["run", "--help"], standalone_mode=False)
del_at_once = bytearray(8 << 20)  # teaches glibc that blocks of this size come and go
del del_at_once
before_kb = resident_kb()
blocks = [bytearray(b"x") * (1 << 20) for _ in range(64)]
assert resident_kb() - before_kb > 60_000
del blocks[:-1]  # the last one lies on top of all others
print(resident_kb() - before_kb)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other ways")
def test_freed_memory_goes_back_to_the_system() -> None:
    result = subprocess.run([sys.executable, "-c", HELD_KB], capture_output=True, text=True, check=True)
    assert int(result.stdout.splitlines()[-1]) < 10_000
