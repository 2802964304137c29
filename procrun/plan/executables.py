"""Whether the program of a command can be started from here, and why not."""

import os
import re
from collections.abc import Iterator, Sequence

from procrun.core.errors import Finding
from procrun.core.spec import PTY
from procrun.core.text import public
from procrun.plan import textfile
from procrun.plan.layout import Plan
from procrun.plan.options import Entry
from procrun.plan.programs import command_line, scripts

_SHELLS = ("sh", "bash", "dash", "/bin/sh", "/bin/bash")
_INTERPRETERS = r"(?:node|nodejs|bun|deno|python[\d.]*|ruby|php|java)"
_BUILT = r"(?:\./)?(?:target|dist|build|out|_build|\.next|\.output|\.build|publish|bin/(?:Debug|Release))/.+"
_INSTALLED = r"(?:\./)?(?:\.?venv|env|node_modules|vendor/bin|\.bundle)/.+"
_COMPILED_IN_BIN = ("go.mod", "Cargo.toml", "CMakeLists.txt", "Package.swift", "shard.yml", "build.zig")
"""Files at the root of projects whose build puts programs into `bin`; in others `bin` holds scripts."""

_SETS_SYNC = r"(?:\$stdout|STDOUT|\$stderr\.sync *= *\$stdout)\.sync\b"


def faults(plan: Plan, entry: Entry) -> Iterator[Finding]:
    """What keeps the command's program from being started, or its output from being seen."""
    words = command_line.words(entry.command)
    program = command_line.program(entry.command)
    if program is not None and not (_changes_folder(entry.command) and "/" in program and program[0] not in "/~"):
        found = _of_program(plan, program) or _of_script(plan, words)
        if found is not None:
            code, text, note = found
            yield Finding(entry.where, text, code, note, (entry.name,))
    yield from _buffered(plan, entry, words)


def _of_program(plan: Plan, program: str) -> tuple[str, str, bool] | None:
    """The code of the finding, its text, and whether it is a note."""
    path = plan.sources.environment.variables.get("PATH")
    if "/" not in program and path is not None and "$" in path.value:
        return None  # `PATH=bin:$PATH` in .env: that is the cause, and it has its own finding
    folders, where = _folders(plan), _path(plan, program) if "/" in program else program
    found = scripts.which(where, folders)
    if found is not None:
        wrong = scripts.fault(found, folders)
        return (wrong[0], f"{public(program)} {wrong[1]}", False) if wrong is not None else None
    shown = public(program)
    if "/" not in program:
        return "not-on-path", f"{shown} is not found on PATH; install it, or correct the name", False
    if os.path.isdir(where):
        return "is-directory", f"{shown} is a directory; name the program in it", False
    if os.path.exists(where):
        return "not-executable", f"{shown} is not executable; chmod +x {shown}", False
    return _missing(plan, program) or ("missing-program", _not_there(plan, program, "correct the name"), False)


def _missing(plan: Plan, file: str, note: bool = False) -> tuple[str, str, bool] | None:
    """A finding where a build or an installation makes the file `file`, which is not there."""
    if re.fullmatch(_INSTALLED, file):
        return "not-built", _not_there(plan, file, "not installed yet?"), note
    there = (os.path.exists(os.path.join(plan.sources.root, each)) for each in _COMPILED_IN_BIN)
    if re.fullmatch(_BUILT, file) or (re.match(r"(?:\./)?bin/", file) and any(there)):
        return "not-built", _not_there(plan, file, "not built yet?"), note
    return None


def _not_there(plan: Plan, file: str, cure: str) -> str:
    shown = public(file)
    return (
        f"{shown} does not exist in {plan.sources.root}; {cure}" if file[0] not in "/~" else f"{shown} does not exist"
    )


def _of_script(plan: Plan, words: Sequence[str]) -> tuple[str, str, bool] | None:
    """What is wrong with the file that an interpreter is given (`sh bin/x`, `node dist/main.js`)."""
    script = next((word for word in words[1:] if word[:1] != "-"), "")
    if not script or (words[1][:1] == "-" and words[1] != "-jar") or re.search(r"[$`*?]", script):
        return None
    if words[0] in _SHELLS:
        wrong = scripts.fault_of_lines(_path(plan, script))
        return (wrong[0], f"{public(script)} {wrong[1]}", False) if wrong is not None else None
    if re.fullmatch(_INTERPRETERS, os.path.basename(words[0])) and not os.path.exists(_path(plan, script)):
        return _missing(plan, script, note=True)
    return None


def _buffered(plan: Plan, entry: Entry, words: Sequence[str]) -> Iterator[Finding]:
    """Ruby writes to a pipe in blocks: what a small program says comes at its end."""
    given = list(words[2:] if words[:2] == ("bundle", "exec") else words)
    script = next((word for word in given[1:] if word[:1] != "-"), "")
    if given[:1] != ["ruby"] or not script.endswith(".rb"):
        return
    text = textfile.text(_path(plan, script))
    on_terminal = any(spec.type == entry.name and spec.console == PTY for spec in plan.specs)
    if text and not on_terminal and not re.search(_SETS_SYNC, text):
        cure = f"put `$stdout.sync = true` at the top of {public(script)}, or set pty = true"
        text = f"Ruby keeps what it prints until it has 8 KiB or ends, as its output is a pipe; {cure}"
        yield Finding(entry.where, text, "buffered-output", True, (entry.name,))


def _path(plan: Plan, file: str) -> str:
    return os.path.join(plan.sources.root, os.path.expanduser(file))


def _folders(plan: Plan) -> str | None:
    """The PATH of the app, its folders as seen from the app's folder."""
    path = plan.sources.environment.variables.get("PATH")
    if path is None:
        return None
    return os.pathsep.join(os.path.join(plan.sources.root, part) for part in path.value.split(os.pathsep))


def _changes_folder(command: str) -> bool:
    return re.search(r"(?:^|[;&\s])(?:cd|chdir)\s", command) is not None
