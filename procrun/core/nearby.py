"""Where the app may be when it is not here: the folders above, and the Procfiles of other names beside."""

import os
import shlex
import stat
from collections.abc import Iterator

MANY = 3
"""Procfiles of other names that a message lists."""


def above(folder: str) -> Iterator[str]:
    """The folders above `folder`, nearest first, up to one that everybody can write to (/tmp) or the root's."""
    here = os.path.abspath(folder)
    while (parent := os.path.dirname(here)) != here and not _is_everybodys(parent):
        here = parent
        yield here


def has(folder: str, name: str = "Procfile") -> bool:
    """Whether `folder` has a plain file of that name."""
    return os.path.isfile(os.path.join(folder, name))


def go(folder: str) -> str:
    """The advice to work on the app in `folder`."""
    return f"go there, or use -d {shlex.quote(folder)}"


def instead(path: str, app_root: str | None) -> str | None:
    """What to say of the Procfile that may be meant where `path` does not exist; None where there is none.

    `app_root` is the folder of `-d`, from which `-f` is looked for.
    """
    folder, name = os.path.split(path)
    others = [os.path.join(folder, other) for other in _beside(folder or ".")]
    if others:
        option = shlex.quote(os.path.relpath(others[0], app_root) if app_root else others[0])
        names = [os.path.basename(other) for other in others]
        if len(names) == 1:
            return f"does not exist, but {names[0]} does; name it with -f {option}"
        listed = names if len(names) <= MANY else [*names[:MANY], f"{len(names) - MANY} more"]
        return f"does not exist, but {_and(listed)} do; name one, as in -f {option}"
    if folder in ("", app_root):
        found = next((parent for parent in above(folder) if has(parent, name)), None)
        if found is not None:
            return f"does not exist; the app in {found} has one: {go(found)}"
    return None


def _beside(folder: str) -> list[str]:
    """The files there that are called like a Procfile, the plain name first; no backups of editors."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    called = [name for name in names if name.lower() == "procfile" or name.lower().startswith("procfile.")]
    return [name for name in called if not name.endswith(("~", ".swp", ".bak", ".orig")) and has(folder, name)]


def _is_everybodys(folder: str) -> bool:
    try:
        return bool(os.stat(folder).st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _and(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
