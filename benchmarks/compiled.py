"""The C programs that the runners start as children: compiled once, linked statically where that works."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".peers"
"""Where they are, and what else is installed for the benchmarks."""


def compiled(name: str) -> Path | None:
    """The program of `name`.c, made unless it is newer than its source; None without a compiler."""
    CACHE.mkdir(exist_ok=True)
    source, program = HERE / f"{name}.c", CACHE / name
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        command = [compiler, "-O2", "-o", str(program), str(source)]
        static = subprocess.run([*command, "-static"], capture_output=True)
        if static.returncode != 0:
            subprocess.run(command, check=True)
    return program
