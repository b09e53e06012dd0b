"""What the kernel has on account of a process: CPU time and memory. Linux."""

import os
from pathlib import Path
from typing import Final, NamedTuple

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_FIRST_FIELD: Final = 3
"""Of what follows the name of the program in `/proc/PID/stat`; see proc(5)."""
_UTIME, _STIME = 14 - _FIRST_FIELD, 15 - _FIRST_FIELD


class Memory(NamedTuple):
    """What a process holds in memory now, and the most that it ever held, in MB of 10^6 bytes."""

    now_mb: float
    most_mb: float


def cpu_s(pid: int) -> float:
    """The CPU time of all threads of a process since it began, its own and the kernel's on its behalf."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def memory(pid: int) -> Memory:
    """What a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return Memory(*(int(fields[name].split()[0]) * 1_024 / 1e6 for name in ("VmRSS", "VmHWM")))
