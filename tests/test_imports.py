"""What a plain start does not use it does not import: start-up is time that people wait."""

import subprocess

from tests.harness import PYTHON

USELESS = {
    "asyncio",
    "click",
    "ctypes",
    "dataclasses",
    "email",
    "hashlib",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "msgspec",
    "pathlib",
    "psutil",
    "shutil",
    "socket",
    "tabulate",
    "tempfile",
    "yaml",
}


def imported(code: str) -> set[str]:
    """The modules that are there after `code`, in a fresh interpreter."""
    script = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    return set(subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_the_way_to_the_first_child_imports_nothing_it_does_not_use() -> None:
    code = (
        "from procrun.cli.quick import parse; parse(['start']); import procrun.cli.start, procrun.cli.session; "
        "from procrun.environment import load; "
        "load(['.env.example'], {}, '.', True)"
    )

    assert imported(code) & USELESS == set()


def test_the_front_is_forked_before_the_plan_is_imported() -> None:
    assert "procrun.plan" not in imported("import procrun.cli.start")
