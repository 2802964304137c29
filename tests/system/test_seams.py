"""What only a package below knows: nothing above it names the system's own ways."""

import ast
import re
from pathlib import Path

import pytest

import procrun

PACKAGE = Path(procrun.__file__).parent
LINUX = {
    "the proc file system": r"/proc\b",
    "handles of processes": r"pidfd",
    "epoll": r"\bepoll\b",
    "prctl": r"\bprctl\b",
    "waitid": r"\bwaitid\b",
    "dnotify": r"F_NOTIFY|\bDN_",
    "sizes of pipes": r"F_[GS]ETPIPE_SZ",
    "who is at a socket": r"SO_PEERCRED|SO_SNDTIMEO",
}


def code(path: Path) -> str:
    """A file without its comments and docstrings: `ast` drops the former, and the latter are taken out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


ABOVE = {path: code(path) for path in PACKAGE.rglob("*.py") if PACKAGE / "system" not in path.parents}


@pytest.mark.parametrize("pattern", LINUX.values(), ids=LINUX)
def test_only_the_system_knows_how_linux_does_it(pattern: str) -> None:
    found = {str(path.relative_to(PACKAGE)) for path, text in ABOVE.items() if re.search(pattern, text)}

    assert found == set()


def test_the_pattern_finds_it_where_it_is() -> None:
    """The test above could fail."""
    inside = [code(path) for path in (PACKAGE / "system/linux").glob("*.py")]

    assert all(any(re.search(pattern, text) for text in inside) for pattern in LINUX.values())


def test_nothing_above_the_system_imports_one_of_them() -> None:
    assert {path for path, text in ABOVE.items() if "system.linux" in text} == set()
