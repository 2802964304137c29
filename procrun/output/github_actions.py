"""Workflow commands for a job log of GitHub Actions: annotations for crashes, a group, and none for the children.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

import os
from collections.abc import Callable, Mapping

from procrun.core.text import clean_lines


def runs_here(environ: Mapping[str, str]) -> bool:
    """Whether our output is read by GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


class Workflow:
    """Writes commands as whole lines by `write`; what anybody writes between them is taken for text.

    A line of a process could be a command itself (`::add-mask::`, or `##[…]` anywhere in it), so commands are stopped
    from the beginning, by a token that nobody can guess, and another one each time.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._token = ""
        self._stop()

    def error(self, title: str, text: str) -> None:
        """An annotation that shows on the run's page."""
        self._command(f"::error title={_property(title)}::{_data(text)}")

    def group(self, title: str) -> None:
        """What follows can be folded, until `end_group`."""
        self._command(f"::group::{_data(title)}")

    def end_group(self) -> None:
        """The group is over."""
        self._command("::endgroup::")

    def close(self) -> None:
        """Commands are obeyed again: what comes behind us in the job is not ours."""
        self._write(f"::{self._token}::\n".encode())

    def _command(self, line: str) -> None:
        self.close()
        self._write(line.encode(errors="replace") + b"\n")
        self._stop()

    def _stop(self) -> None:
        self._token = os.urandom(16).hex()
        self._write(f"::stop-commands::{self._token}\n".encode())


def _data(text: str) -> str:
    return clean_lines(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
