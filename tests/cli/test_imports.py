"""What a plain start does not use it does not import: start-up is time that people wait."""

import os
import subprocess

from tests.harness import PYTHON, Folder, until

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
    "procrun.health.readiness",
    "procrun.supervise.drain",
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
        "from procrun.cli.fast_start import parse; parse(['start']); import procrun.cli.start, procrun.run.session; "
        "from procrun.plan.environment import load; "
        "load(['.env.example'], {}, '.', True)"
    )

    assert imported(code) & USELESS == set()


def test_the_front_is_forked_before_the_plan_is_imported() -> None:
    names = imported("import procrun.cli.start")

    assert {name for name in names if name.startswith(("procrun.plan", "procrun.recovery"))} == set()


def test_garbage_is_collected_again_once_everything_is_started(folder: Folder) -> None:
    """It is not while modules are imported, which would cost 2.5 ms of a start."""
    folder.write(
        "sitecustomize.py",
        "import gc, os\n"
        "enable = gc.enable\n"
        "def told():\n"
        "    enable()\n"
        f"    open({str(folder.path / 'enabled')!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "gc.enable = told\n",
    )
    folder.procfile("web: exec sleep 1000")

    folder.write("enabled", "")
    path = os.pathsep.join([str(folder.path), os.environ.get("PYTHONPATH", "")])

    run = folder.start(env={"PYTHONPATH": path})
    run.wait_for("started")

    both = {str(run.pid), str(run.supervisor())}
    until(lambda: both <= set((folder.path / "enabled").read_text().split()), "both collect garbage")
