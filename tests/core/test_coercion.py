"""Children get the locale that the shell had, and not what Python's own start makes of it (PEP 538)."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import PROCRUN, Folder

LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
WITHOUT = ("env", *(part for name in LOCALE for part in ("-u", name)))


def locale(text: str, end: str) -> dict[str, str]:
    pairs = (item.partition("=")[::2] for item in text.split(end))
    return {name: value for name, value in pairs if name in LOCALE}


@pytest.mark.parametrize(
    "given", [{}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}, {"LC_CTYPE": "POSIX"}], ids=str
)
def test_children_of_start_run_and_what_env_shows_have_the_locale_of_the_shell(
    folder: Folder, given: dict[str, str]
) -> None:
    folder.procfile("web: env -0 > got")
    before = [*WITHOUT, *(f"{name}={value}" for name, value in given.items())]
    assert folder.start(before=before).finish() == 0
    assert locale((folder.path / "got").read_text(), "\0") == given
    made = {words: run(before, folder.path, *words.split()) for words in ("run env -0", "env", "env web")}
    assert locale(made["run env -0"], "\0") == given
    lines = {words: locale(made[words].replace("  # shell", ""), "\n") for words in ("env", "env web")}
    assert lines == {"env": given, "env web": given}


def run(before: list[str], folder: Path, *words: str) -> str:
    command = [*before, *PROCRUN, *words]
    return subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=True).stdout
