"""Says what a process is missing that looks for a terminal and has none: sudo's password, entr's keys.

Each instance has a session of its own, so /dev/tty is not there for it (tty(4)), and its output is a pipe.
"""

import re  # which compiles the pattern when it is first used
from collections.abc import Callable

LARGEST = 16 * 1024
"""Bytes of lines that are looked at: who floods has other things to say."""

_TRACES = (b"tty", b"TTY", b"terminal")
_ASKS = rb"""(?ix)
    sudo:\ (?:a\ terminal\ is\ required|no\ tty\ present)      # the latter before 1.9
    |entr:\ unable\ to\ get\ terminal
    |/dev/tty\b[^\n]*no\ such\ device                          # dash, bash, ssh, gpg
    |no\ such\ device\ or\ address[^\n]*/dev/tty               # Python, Ruby, node
    |the\ input\ device\ is\ not\ a\ tty                       # docker run -it
    |open\ terminal\ failed:\ not\ a\ terminal                 # tmux
    |failed\ tty\ get                                          # top
    |(?:stty|tcgetattr|tcsetattr)\b[^\n]*inappropriate\ ioctl
    """
"""Each was seen of a program whose standard streams are pipes, in a session without a terminal (Debian 12)."""


class TerminalHint:
    """Hears all lines; tells of each instance once, by `say`, that `has_terminal` does not say one of."""

    def __init__(self, has_terminal: Callable[[str], bool], say: Callable[[str], None]) -> None:
        self._has_terminal = has_terminal
        self._say = say
        self._told: set[str] = set()

    def hear(self, name: str, lines: bytes, at: float, stream: str) -> None:
        """Whole lines of the instance `name`, as an outlet's tap has them."""
        if len(lines) > LARGEST or not any(trace in lines for trace in _TRACES):
            return
        type_ = name.rpartition(".")[0]  # procrun itself has none
        if type_ and name not in self._told and re.search(_ASKS, lines) and not self._has_terminal(name):
            self._told.add(name)
            how = f"`procrun start --pty {type_}`, or `pty = true` below [process.{type_}] in procrun.toml"
            self._say(
                f"{name} looks for a terminal, and has none: {how} gives it one, `procrun attach {name}` reaches it"
            )
