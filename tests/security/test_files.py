"""A settings file that is a bomb ends the command with a message and exit code 2, in bounded memory."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

MEMORY_BYTES = 1024**3
"""Of the address space of the command."""

BOMBS = {
    "brackets": "[" * 1_000_000,
    "lists in blocks": "- " * 1_000_000,
    "mappings in blocks": "".join(f"{' ' * depth}a:\n" for depth in range(3_000)),
    "aliases": "a: &a ["
    + "x, " * 1_000
    + "]\n"
    + "".join(f"{name}: &{name} [{f'*{before}, ' * 1_000}]\n" for before, name in zip("abcde", "bcdef", strict=True)),
    "an alias within its anchor": "numbers: &a [*a]",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(bomb: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMBS[bomb])
    result = subprocess.run(
        [sys.executable, "-m", "worker", "settings", "check", str(file)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2, result.stderr[-2_000:]
    assert result.stderr.startswith(f"{file}:")
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 10_000
