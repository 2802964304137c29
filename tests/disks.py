"""File systems that are soon full."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import leave_out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False)
    if mounted.returncode:
        leave_out("a file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)
