"""The stream for programs: one JSON object a line, for each line that was written and each thing that happened.

The schema is docs/stream.schema.json, and stable: keys are added, never changed.
"""

import re
from datetime import datetime
from time import time

import msgspec

from procrun.core.events import Event
from procrun.output.line_buffer import Amount
from procrun.output.prefix import OURS
from procrun.output.stdout_writer import Sink

_WILD = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|##\[")
"""What JSON wants escaped besides quotes; what a terminal obeys (the C1 controls, U+0085 among them) or reorders by
(Unicode's bidirectional marks); what some readers take for the end of a line (U+2028, U+2029); and what is a command,
wherever it stands, to a job log of GitHub Actions."""


class EventLine(msgspec.Struct, frozen=True):
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
    """Whole lines as objects: time, instance, stream, text; what is no UTF-8 in a text is replaced by U+FFFD.

    All of them at once, by a few bulk operations.
    """
    head = _encode({"time": moment(at), "instance": _text(name), "stream": stream, "text": ""})[:-2]
    head = _WILD.sub(_escape, head)
    text = lines[:-1].decode(errors="replace").encode()
    text = _WILD.sub(_escape, text.replace(b"\\", rb"\\").replace(b'"', rb"\""))
    return head + text.replace(b"\n", b'"}\n' + head) + b'"}\n'


def _escape(found: re.Match[bytes]) -> bytes:
    return b"".join(b"\\u%04x" % ord(letter) for letter in found[0].decode())


def event_as_json(event: Event, at: float) -> bytes:
    """An event as an object."""
    name, what, seconds, detail, pid = event
    line = EventLine(moment(at), _text(name), _text(what), pid or None, round(seconds, 3), _text(detail))
    return _WILD.sub(_escape, _encode(line)) + b"\n"


class JsonStream:
    """Writes lines and events as objects; in the place of a Stream."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    @property
    def waits(self) -> bool:
        """Whether something is not out yet: who writes much should be held back."""
        return self._sink.waits

    @property
    def full(self) -> bool:
        """Whether everybody should be held back for a while."""
        return self._sink.full

    @property
    def prompt(self) -> None:
        """No unfinished line is ever shown."""

    def emit(self, name: str, lines: bytes, stream: str, at: float) -> None:
        """Write whole lines of `name`."""
        self._sink.write(lines_as_json(name, stream, lines, at), ours=name == OURS)

    def preview(self, name: str, partial: bytes) -> None:
        """An unfinished line is no object yet."""

    def withdraw(self, name: str) -> None:
        """So there is none to take back."""

    def say(self, text: str, at: float) -> None:
        """A line of procrun's own."""
        self.emit(OURS, text.encode() + b"\n", OURS, at)

    def event(self, event: Event) -> None:
        """Something happened."""
        self._sink.write(event_as_json(event, time()), ours=True)

    def raw(self, line: bytes) -> None:
        """A whole line that is an object already."""
        self._sink.write(line, ours=True)

    def mark(self, lost: Amount) -> bytes:
        """The object that stands where some output is missing."""
        return _encode(Lost(moment(time()), lost.size, lost.lines)) + b"\n"


def _text(text: str) -> str:
    """Bytes of a Procfile that are no UTF-8 are replaced as in lines."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
