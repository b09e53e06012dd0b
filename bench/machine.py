"""What it was measured on, in a line."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def described() -> str:
    """The processor, its cores, and the Python."""
    cores = len(os.sched_getaffinity(0))
    today = datetime.now(UTC).date().isoformat()
    return f"Measured on {today}: {cores} cores ({_processor()}), Python {platform.python_version()}."


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
