"""Finds or installs the runners, each in a place of its own under the cache folder.

procrun is installed as a user would install it, not as an editable checkout, in the same kind of venv as
honcho: what an editable install costs at start-up counts on neither side.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import runners
from runners import LeftOut, Runner

CHECKOUT = Path(__file__).parent.parent


def install(cache: Path) -> tuple[list[Runner], list[LeftOut]]:
    """Every runner that can be had here, procrun first; and those that cannot."""
    found: list[Runner] = []
    missing: list[LeftOut] = []
    finders: dict[str, Callable[[Path], Runner]] = {
        "procrun": procrun,
        "honcho": _honcho,
        "foreman": _foreman,
        "nf": _nf,
        "concurrently": _concurrently,
        "supervisor": _supervisor,
        "circus": _circus,
    }
    for name, find in finders.items():
        try:
            found.append(find(cache))
        except subprocess.CalledProcessError as error:
            words = " ".join(str(word) for word in error.cmd)
            said = [line for line in str(error.stderr).splitlines() if "error" in line.lower()]
            missing.append(LeftOut(name, f"`{words}` failed: {said[-1].strip() if said else error}"))
        except FileNotFoundError as error:
            missing.append(LeftOut(name, str(error)))
    return found, missing


def procrun(cache: Path) -> Runner:
    """This checkout, installed anew when it has changed."""
    python, key = cache / "procrun/bin/python", cache / "procrun/checkout.key"
    if _venv(python) or not key.exists() or key.read_text() != _fingerprint():
        _run(python, "-m", "pip", "install", "--quiet", CHECKOUT)  # for what it depends on
        _run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", CHECKOUT)
        key.write_text(_fingerprint())
    return runners.procrun(_pip_version(python, "procrun"), str(python.with_name("procrun")))


def _honcho(cache: Path) -> Runner:
    return runners.honcho(*_from_pypi(cache, "honcho", "honcho"))


def _supervisor(cache: Path) -> Runner:
    return runners.supervisor(*_from_pypi(cache, "supervisor", "supervisord"))


def _circus(cache: Path) -> Runner:
    return runners.circus(*_from_pypi(cache, "circus", "circusd"))


def _foreman(_cache: Path) -> Runner:
    program = shutil.which("foreman", path="/usr/bin") or shutil.which("foreman")
    if program is None:
        raise FileNotFoundError("not installed (Debian: apt-get install ruby-foreman)")
    return runners.foreman(_run(program, "--version"), program)


def _nf(cache: Path) -> Runner:
    return runners.nf(*_from_npm(cache / "nf", "foreman", "nf"))


def _concurrently(cache: Path) -> Runner:
    return runners.concurrently(*_from_npm(cache / "concurrently", "concurrently", "concurrently"))


def _from_pypi(cache: Path, name: str, command: str) -> tuple[str, str]:
    """Version and program of a package in a venv of its own."""
    python = cache / name / "bin/python"
    program = python.with_name(command)
    if _venv(python) or not program.exists():
        _run(python, "-m", "pip", "install", "--quiet", name)
    return _pip_version(python, name), str(program)


def _from_npm(folder: Path, name: str, command: str) -> tuple[str, str]:
    """Version and program of a package in a folder of its own."""
    program = folder / "node_modules/.bin" / command
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm is not installed")
        folder.mkdir(exist_ok=True)
        _run(npm, "install", "--silent", "--prefix", folder, name)
    return _run(program, "--version"), str(program)


def _venv(python: Path) -> bool:
    """Make the venv of this interpreter unless it is there; whether it was made."""
    if python.exists():
        return False
    venv.create(python.parent.parent, with_pip=True, symlinks=True)
    return True


def _pip_version(python: Path, name: str) -> str:
    return _run(python, "-c", f"import importlib.metadata as m; print(m.version({name!r}))")


def _fingerprint() -> str:
    """Changes with every file that an install of the checkout would contain."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _sources():
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    yield CHECKOUT / "pyproject.toml"
    for path in sorted((CHECKOUT / "procrun").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def _run(*words: str | Path) -> str:
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd="/")
    return done.stdout.strip()
