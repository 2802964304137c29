"""Patterns of files as people know them from their shell: which paths they mean, and which folders those are in."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from procrun.system.limits import EXHAUSTED

NEVER = frozenset({"node_modules", "bower_components", "__pycache__"})
"""Folders in which nothing is looked for, unless they are named without a wildcard. Of others see `_is_left_out`."""

_PASSING = re.compile(r"~$|^#.*#$|^4913$|\.py[co]$|\.sw[a-z]$|\.tmp$|___jb_(?:tmp|old)___$|^flycheck_")
"""Files that an editor or an interpreter makes for a moment: backups, locks, what vim tries a folder with (4913)."""

_MAGIC = re.compile(r"[*?\[]")
_PIECE = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)

Stamp = tuple[int, int, int]


class Glob(NamedTuple):
    """One pattern: what `path` of it is below `base` matches `rest`; `depth` folders deep at most, None for any.

    A pattern without a wildcard is a file, or a folder with everything in it.
    """

    base: str
    rest: "re.Pattern[str]"
    depth: int | None


class Globs(NamedTuple):
    """What is meant, without what is left out: patterns that began with `!` and whole folders."""

    wanted: tuple[Glob, ...]
    left_out: tuple[Glob, ...]

    def match(self, path: str) -> bool:
        """Whether the file `path` (absolute) is meant."""
        return not _PASSING.search(os.path.basename(path)) and _any(self.wanted, path) and not _any(self.left_out, path)


class Survey(NamedTuple):
    """What was found: the state of each file that is meant, and the real folders to watch, each with its other names.

    `targets` is what else tells of a change: files elsewhere that links lead to, and links to folders.
    """

    files: dict[str, Stamp]
    folders: dict[str, set[str]]
    targets: set[str]


def read(patterns: Sequence[str], root: str, besides: Iterable[str] = ()) -> Globs:
    """The patterns as from the folder `root`; what is in the folders `besides` is left out too.

    `*`, `?` and `[…]` match inside of one name, `**` any number of folders, `{a,b}` either; as in a shell none of them
    matches a dot at the beginning of a name. `!` leaves out, wherever it stands. Raises ValueError for what is no
    pattern.
    """
    wanted: list[Glob] = []
    left_out = [_glob(folder, root, True) for folder in besides]
    for pattern in patterns:
        excluding = pattern.startswith("!")
        for plain in _either(pattern.removeprefix("!")):
            (left_out if excluding else wanted).append(_glob(plain, root, excluding))
    if not wanted:
        raise ValueError("says nothing that is to be watched")
    return Globs(tuple(wanted), tuple(left_out))


def exactly(files: Iterable[str]) -> Globs:
    """These very files (absolute), whatever they are called."""
    return Globs(tuple(Glob(file, re.compile(""), 0) for file in files), ())


def survey(globs: Iterable[Globs], root: str) -> Survey:
    """Look for all files that any of `globs` means. Raises OSError where there is no descriptor to look with."""
    found = Survey({}, {}, set())
    for each in globs:
        for glob in each.wanted:
            _way_there(glob.base, root, found)
            if os.path.isdir(glob.base):
                _walk(glob.base, glob, each, found, 0, _above(glob.base))
            elif each.match(glob.base):
                _note(glob.base, found)
    return found


def _either(pattern: str) -> Iterator[str]:
    """`a.{x,y}` as `a.x` and `a.y`, from the innermost braces outwards."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        yield pattern
        return
    for part in braces[1].split(","):
        yield from _either(pattern[: braces.start()] + part + pattern[braces.end() :])


def _glob(pattern: str, root: str, whole_folders: bool) -> Glob:
    if not pattern.strip("/. ") and pattern not in (".", "./"):
        raise ValueError('takes patterns of files, as in ["app/**/*.py"]')
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    plain = next((index for index, name in enumerate(names) if _MAGIC.search(name)), len(names))
    base = os.path.normpath(os.path.join(root, "/" if pattern.startswith("/") else "", *names[:plain]))
    rest = names[plain:]
    if not rest:  # a file, or all of a folder
        return Glob(base, re.compile(f"(?:{_FOLDERS}{_NAME})?"), None)
    text = "".join(_translate(name, last=index == len(rest) - 1) for index, name in enumerate(rest))
    try:
        found = re.compile(text + ("(?:/.*)?" if whole_folders else ""))
    except re.error:
        raise ValueError(f'takes patterns of files; "{pattern}" is none') from None
    return Glob(base, found, None if "**" in rest else len(rest) - 1)


_NAME = r"[^/.][^/]*"
_FOLDERS = rf"(?:{_NAME}/)*"


def _translate(name: str, last: bool) -> str:
    """One name of a pattern as a regular expression."""
    if name == "**":
        return _FOLDERS + (_NAME if last else "")
    text = r"(?!\.)" if name[0] in "*?[" else ""
    for piece in _PIECE.findall(name):
        if piece[0] == "*":
            text += "[^/]*"
        elif piece == "?":
            text += "[^/]"
        elif len(piece) > 1:
            letters = re.sub(r"[\[&~|\\]", r"\\\g<0>", piece[1:-1].removeprefix("!"))
            text += f"(?!/)[{'^' if piece[1] == '!' else ''}{letters}]"
        else:
            text += re.escape(piece)
    return text + ("" if last else "/")


def _any(globs: Iterable[Glob], path: str) -> bool:
    return any(glob.rest.fullmatch(below) for glob in globs if (below := _below(path, glob.base)) is not None)


def _below(path: str, base: str) -> str | None:
    """The part of `path` below `base`; empty for `base` itself, None for what is elsewhere."""
    if path == base:
        return ""
    start = base if base.endswith("/") else f"{base}/"
    return path[len(start) :] if path.startswith(start) else None


def _walk(folder: str, glob: Glob, globs: Globs, found: Survey, depth: int, above: set[str]) -> None:
    """Note what `globs` means in `folder` and below; a link that leads back to a folder `above` is not followed."""
    real = os.path.realpath(folder)
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return  # not ours to read, or just gone
    if real in above:
        return
    _watch(folder, found)
    for entry in entries:
        if not _is_folder(entry):
            if entry.path not in found.files and globs.match(entry.path):
                _note(entry.path, found)
        elif (glob.depth is None or depth < glob.depth) and not _is_left_out(entry, globs):
            if entry.is_symlink():
                found.targets.add(os.path.join(real, entry.name))
            _walk(entry.path, glob, globs, found, depth + 1, {*above, real})


def _above(folder: str) -> set[str]:
    """The real folders that `folder` is in."""
    way = os.path.realpath(folder).split("/")
    return {"/".join(way[:count]) or "/" for count in range(1, len(way))}


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # links in a circle


def _is_left_out(entry: "os.DirEntry[str]", globs: Globs) -> bool:
    """Hidden folders (.git, .venv, .procrun), those of installed packages, virtualenvs, and what was said to be."""
    name = entry.name
    return name.startswith(".") or name in NEVER or _any(globs.left_out, entry.path) or _is_virtualenv(entry.path)


def _is_virtualenv(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def _note(path: str, found: Survey) -> None:
    try:
        state = os.stat(path)
    except OSError:
        return
    found.files[path] = (state.st_mtime_ns, state.st_size, state.st_ino)
    if os.path.islink(path):
        real = os.path.realpath(path)
        found.targets.add(real)
        _watch(os.path.dirname(real), found)


def _way_there(base: str, root: str, found: Survey) -> None:
    """Watch the folders that lead to `base`, from `root` or from its own folder, as far as they are there."""
    below = _below(base, root)
    names = below.split("/") if below else []
    way = [root, *(os.path.join(root, *names[:count]) for count in range(1, len(names)))]
    for folder in way if below is not None else [os.path.dirname(base)]:
        if os.path.isdir(folder):
            _watch(folder, found)


def _watch(folder: str, found: Survey) -> None:
    real = os.path.realpath(folder)
    if os.access(folder, os.R_OK) and os.fsencode(real).decode(errors="replace") == real:  # watchfiles takes UTF-8
        found.folders.setdefault(real, set()).add(folder)
