"""Programs and rights that some tests need and not every machine has: the test has them, or is left out."""

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

LEFT_OUT = "left out: "

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def need(program: str) -> str:
    """The path of `program`, an administrator's too. Where it is missing the test is skipped, or fails if CI=true."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return path or leave_out(f"{program} is not installed (make test names the line)")


def need_module(module: str) -> None:
    """Asks for an importable Python module, in the same way."""
    if importlib.util.find_spec(module) is None:
        leave_out(f"Python's {module} is not installed (make test installs it)")


def need_right(right: str) -> None:
    """Asks for one of RIGHTS, which is tried once. Without it the test is left out, in the same way."""
    if not _has(right):
        leave_out(f"this user has no right to {right} here")


def need_namespace(*options: str) -> list[str]:
    """The command that runs what follows in namespaces of its own, made by unshare(1) with these options."""
    command = (need("unshare"), *options)
    if not _succeeds(*command, "true"):
        leave_out(f"this user has no right to run `unshare {' '.join(options)}` here")
    return list(command)


@functools.cache
def _succeeds(*command: str) -> bool:
    with contextlib.suppress(OSError):  # it is not installed
        return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0
    return False


@functools.cache
def _has(right: str) -> bool:
    return RIGHTS[right]()


def _can_become_another_user() -> bool:
    """To be root is not enough: a container may keep back CAP_SETUID, CAP_SETGID or CAP_KILL."""
    return _can_do_to_another_users(lambda pid: os.kill(pid, 0))


def _can_look_into_another_users_process() -> bool:
    """A container may keep back CAP_SYS_PTRACE, too (proc_pid_environ(5))."""
    return _can_do_to_another_users(lambda pid: Path(f"/proc/{pid}/environ").read_bytes())


def _can_do_to_another_users(attempt: Callable[[int], object]) -> bool:
    lives = [*AS_NOBODY, "sh", "-c", "echo; exec cat"]
    with contextlib.suppress(OSError), subprocess.Popen(lives, stdin=-1, stdout=-1, stderr=-3) as process:
        assert process.stdout is not None
        if process.stdout.readline():
            attempt(process.pid)
            return True
    return False


def _can_run_python_as_another_user() -> bool:
    """The interpreter and the checkout may lie below a folder that only root can read."""
    return _succeeds(*AS_NOBODY, sys.executable, "-c", "import procrun")


def _can_give_files_away() -> bool:
    with tempfile.NamedTemporaryFile() as file, contextlib.suppress(OSError):
        os.chown(file.name, NOBODY, NOBODY)
        return True
    return False


def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return _succeeds("mount", "-t", "tmpfs", "none", folder) and _succeeds("umount", folder)


def _can_mount_by_fuse() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/fuse", os.O_RDWR))
        return os.geteuid() != 0 or _has("mount a file system")
    return False


def _can_open_a_terminal() -> bool:
    """A chroot may have no devpts, or its /dev/ptmx lead to none (devpts: the kernel's documentation)."""
    with contextlib.suppress(OSError):
        for handle in os.openpty():
            os.close(handle)
        return True
    return False


def _can_freeze() -> bool:
    """A freezer is a cgroup of version 1 or 2 in a hierarchy that can be written to."""
    with contextlib.suppress(OSError):
        first = Path("/sys/fs/cgroup/freezer")
        if not first.is_dir() and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return False
        os.rmdir(tempfile.mkdtemp(prefix="procrun-test-", dir=first if first.is_dir() else first.parent))
        return True
    return False


RIGHTS: dict[str, Callable[[], bool]] = {
    "open a terminal": _can_open_a_terminal,
    "become another user": _can_become_another_user,
    "look into another user's process": _can_look_into_another_users_process,
    "run Python as another user": _can_run_python_as_another_user,
    "give files away": _can_give_files_away,
    "mount a file system": _can_mount,
    "mount a file system by FUSE": _can_mount_by_fuse,
    "freeze processes by a cgroup": _can_freeze,
}
"""What each right is tried by."""


def leave_out(reason: str) -> NoReturn:
    """Ends the test: in CI nothing may be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end of a run which tests were left out, and why."""
    tests: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if reason.startswith(LEFT_OUT):
                tests.setdefault(reason.removeprefix(LEFT_OUT), []).append(report.nodeid)
    if not tests:
        return
    terminalreporter.section("left out", yellow=True)
    for reason, names in sorted(tests.items()):
        terminalreporter.line(f"{reason}: {len(names)} test{'s' * (len(names) != 1)}")
        for name in names:
            terminalreporter.line(f"  {name}")
