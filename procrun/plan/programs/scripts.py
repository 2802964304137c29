"""What keeps a script from being run: its line ends, or an interpreter that is not there."""

import os
import re

from procrun.plan import textfile

_MOST = 4096
"""Bytes of a script that are looked at; the kernel reads 256 of its first line."""


def which(program: str, folders: str | None) -> str | None:
    """The file that a shell would run for `program` with the PATH `folders`; None where there is none.

    As shutil.which, whose import would cost a start 4 ms.
    """
    if "/" in program:
        return program if _is_executable(program) else None
    paths = (os.path.join(folder, program) for folder in (folders or os.defpath).split(os.pathsep))
    return next((path for path in paths if _is_executable(path)), None)


def _is_executable(path: str) -> bool:
    try:
        return os.path.isfile(path) and os.access(path, os.X_OK)
    except ValueError:  # a NUL in it
        return False


def fault(path: str, folders: str | None) -> tuple[str, str] | None:
    """Why the kernel cannot run the script `path`, as the code of a finding and what is wrong with it.

    `folders` is the PATH in which `env` looks for an interpreter. None for what is no script, and for a good one.
    """
    data = textfile.first_bytes(path, _MOST)
    line = data.partition(b"\n")[0].decode(errors="replace")
    found = re.match(r"#![ \t]*(\S+)[ \t]*(.*)", line)
    if found is None:  # no program of another kind: a shell runs what the kernel cannot
        return ("crlf-script", _crlf(path)) if b"\r\n" in data and b"\0" not in data else None
    if line.endswith("\r"):
        return "crlf-script", _crlf(path)
    interpreter, words = found[1], found[2].split()
    if os.path.basename(interpreter) == "env":
        words = [word for word in words if word[:1] != "-" and "=" not in word]
        there = not words or which(words[0], folders) is not None
        name = "".join(words[:1])
    else:
        there, name = os.path.exists(interpreter), interpreter
    if there:
        return None
    return (
        "missing-interpreter",
        f"begins with {line[:60]}, and {name} does not exist; install it, or correct that line",
    )


def fault_of_lines(path: str) -> tuple[str, str] | None:
    """The same of a script that a shell is given by name: only its line ends matter."""
    return ("crlf-script", _crlf(path)) if b"\r\n" in textfile.first_bytes(path, _MOST) else None


def _crlf(path: str) -> str:
    cure = f"sed -i 's/\\r$//' {os.path.relpath(path)}"
    return f"has Windows line ends, which the shell and the kernel take for part of a name; remove them: {cure}"
