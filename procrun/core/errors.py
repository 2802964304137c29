"""What can go wrong, each kind with its exit status; only the command line prints them."""

from typing import NamedTuple

from procrun.system.host import process_table


class Finding(NamedTuple):
    """Something worth a warning, with its place (`Procfile:7`, `.env:3`) and its stable name; a `note` costs no work.

    `code` is one of those in `findings`. `processes` are the process types it is about; none where it is about the app.
    """

    where: str
    text: str
    code: str
    note: bool = False
    processes: tuple[str, ...] = ()


NOT_READY = 124
"""The exit status where something is not ready in time; as timeout(1) has it."""


class ProcrunError(Exception):
    """A fault told to the user in one line: what, where, and what to do.

    Raise a subclass; `exit_status` is what the command ends with.
    """

    exit_status = 1


class ConfigError(ProcrunError):
    """Bad input (Procfile, .env, option, argument): nothing was started, exit 2.

    `where` is the place (`Procfile:7`, `.env:3`, `-e`), put before the text where it is given.
    """

    exit_status = 2

    def __init__(self, text: str, where: str | None = None) -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.where = where


class NoRunError(ProcrunError):
    """A control command found no running procrun to talk to."""


class ControlError(ProcrunError):
    """A running procrun refused or could not do what a control command asked."""

    def __init__(self, text: str, exit_status: int = 1) -> None:
        super().__init__(text)
        self.exit_status = exit_status


class SilentError(ControlError):
    """A running procrun does not answer; exit 124, as of everything that timed out."""


class VanishedError(ControlError):
    """The running procrun ended, or hung up, before it answered."""


class CommandError(ProcrunError):
    """A program could not be started: not found (127) or not executable (126), as a shell has it."""

    def __init__(self, text: str, exit_status: int) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def require_processes() -> None:
    """Raise ConfigError unless the system shows the processes of our own pid namespace."""
    reason = process_table.unusable()
    if reason:
        raise ConfigError(reason, process_table.PLACE)
