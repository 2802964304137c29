"""The stream for programs: one JSON object a line, for each line that was written and each thing that happened.

The schema is in docs/json.md, and stable: keys are added, never changed.
"""

from datetime import datetime
from time import time

import msgspec

from procrun.lines import Amount
from procrun.model import Happening
from procrun.prefix import OURS
from procrun.sink import Sink


class Line(msgspec.Struct, frozen=True):
    """A line of an instance, without its newline; what is no UTF-8 in it is replaced by U+FFFD.

    `stream` is stdout or stderr, output where both are one, and procrun for a word of procrun's own.
    """

    time: str
    instance: str
    stream: str
    text: str


class Event(msgspec.Struct, frozen=True):
    """Something that happened to an instance: started, restarted, ready, quiet, signal, exited, gone, crashed, …

    `seconds` and `detail` say more, as the docs tell for each.
    """

    time: str
    instance: str
    event: str
    pid: int | None
    seconds: float
    detail: str


class Lost(msgspec.Struct, frozen=True):
    """Output that could not be shown in this place."""

    time: str
    lost_bytes: int
    lost_lines: int


_encode = msgspec.json.Encoder().encode


def moment(at: float) -> str:
    """A Unix time in ISO 8601, with microseconds and offset."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="microseconds")


def lines_as_json(name: str, stream: str, lines: bytes, at: float) -> bytes:
    """Whole lines as objects."""
    when = moment(at)
    texts = lines[:-1].decode(errors="replace").split("\n")
    return b"".join(_encode(Line(when, name, stream, text)) + b"\n" for text in texts)


def event_as_json(happening: Happening, at: float) -> bytes:
    """A happening as an object."""
    pid = happening.pid or None
    event = Event(moment(at), happening.name, happening.what, pid, round(happening.seconds, 3), happening.detail)
    return _encode(event) + b"\n"


class JsonStream:
    """Writes lines and events as objects; in the place of a Stream."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def emit(self, name: str, lines: bytes, stream: str = "output") -> bool:
        """Write whole lines of `name`; False when processes should be held back for a while."""
        self._sink.write(lines_as_json(name, stream, lines, time()), ours=name == OURS)
        return not self._sink.full

    def preview(self, name: str, partial: bytes) -> None:
        """An unfinished line is no object yet."""

    def say(self, text: str) -> None:
        """A line of procrun's own."""
        self.emit(OURS, text.encode(errors="surrogateescape") + b"\n", OURS)

    def event(self, happening: Happening) -> None:
        """Something happened."""
        self._sink.write(event_as_json(happening, time()), ours=True)

    def raw(self, line: bytes) -> None:
        """Nothing but objects goes out."""

    def mark(self, lost: Amount) -> bytes:
        """The object that stands where some output is missing."""
        return _encode(Lost(moment(time()), lost.size, lost.lines)) + b"\n"
