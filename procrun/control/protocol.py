"""The wire: one JSON line asks; lines of progress, if any, and one final line answer."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from procrun.core.errors import ControlError
from procrun.core.text import plain

LONGEST = 64 * 1024
"""Bytes a request may have."""


LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of one line that a client takes: room for 10000 instances, each with a command of a few thousand letters."""

_Size = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Hello(msgspec.Struct, tag="hello", frozen=True):
    """Who are you? Answered by Welcome."""


class Ps(msgspec.Struct, tag="ps", frozen=True):
    """How is everything? Answered by Status."""


class Start(msgspec.Struct, tag="start", frozen=True):
    """Start these types or instances that are down; with `wait` until all are ready, or too late for it."""

    names: list[str]
    wait: bool = False


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """Stop these; none named: everything, and the run ends. `timeout` is a budget in seconds instead of their own."""

    names: list[str]
    timeout: float | None = None


class Restart(msgspec.Struct, tag="restart", frozen=True):
    """Restart these, all when none is named."""

    names: list[str]
    timeout: float | None = None
    rolling: bool = False


class Scale(msgspec.Struct, tag="scale", frozen=True):
    """Have so many instances of each type."""

    formation: dict[str, Annotated[int, msgspec.Meta(ge=0, le=65535)]]


class Quiet(msgspec.Struct, tag="quiet", frozen=True):
    """Have these take no new work."""

    names: list[str]


class Signal(msgspec.Struct, tag="signal", frozen=True):
    """Send these a signal, by its name; one that would kill because nothing catches it only with `force`."""

    signal: str
    names: list[str]
    force: bool = False


class Deploy(msgspec.Struct, tag="deploy", frozen=True):
    """Quiet these (none named: all that may be restarted on a deploy) and answer Go; then Deployed is expected.

    With `drain_first` Go waits so many seconds for running work to end.
    """

    names: list[str]
    exclude: list[str] = []
    drain_first: float | None = None


class Deployed(msgspec.Struct, tag="deployed", frozen=True):
    """The client's command ended with `status`: on 0 the plan is read again and what was quieted is restarted.

    `drain` is how many seconds running work gets before that. On any other status it restarts on the old plan.
    """

    status: int
    drain: float | None = None


class Logs(msgspec.Struct, tag="logs", frozen=True):
    """What these have written (all when none is named): all that is kept, or what came at `since` (Unix time) or later.

    Of `last` lines at least the last so many are sent. With `follow` what comes goes on and on. Answered by Output,
    each but the first asked for by More: who reads slowly is sent no more than he reads.
    """

    names: list[str]
    last: int | None = None
    since: float | None = None
    follow: bool = False


class Watch(msgspec.Struct, tag="watch", frozen=True):
    """Tell what happens to these (all when none is named), by Progress, for as long as the connection lives."""

    names: list[str]


class Wait(msgspec.Struct, tag="wait", frozen=True):
    """Answer when all of these are `until`: ready, or exit (ended for good). Failed are those that end instead.

    Refused, with exit status 124, after `timeout` seconds.
    """

    names: list[str]
    until: Literal["ready", "exit"] = "ready"
    timeout: float | None = None


class More(msgspec.Struct, tag="more", frozen=True):
    """The next Output, please."""


class Attach(msgspec.Struct, tag="attach", frozen=True):
    """Connect me to this one instance: answered by Attached, then by Raw and Progress, each asked for by More.

    `rows` and `columns` are the size of the client's terminal, 0 where it has none.
    """

    name: str
    rows: _Size = 0
    columns: _Size = 0

    @property
    def names(self) -> list[str]:
        """As other requests have it."""
        return [self.name]


class Keys(msgspec.Struct, tag="keys", frozen=True):
    """Write this to the stdin of who I am attached to. Answered by Taken; until then no more are expected."""

    data: bytes


class Resize(msgspec.Struct, tag="resize", frozen=True):
    """My terminal has another size."""

    rows: _Size
    columns: _Size


class Reload(msgspec.Struct, tag="reload", frozen=True):
    """Read the plan again and put in place what is new; or only tell, with `dry_run`, what that would be.

    Answered by Progress, one of `plan` for each instance first, and Done.
    """

    dry_run: bool = False

    @property
    def names(self) -> list[str]:
        """Everybody."""
        return []


Request = (
    Hello
    | Ps
    | Start
    | Stop
    | Restart
    | Scale
    | Quiet
    | Signal
    | Deploy
    | Deployed
    | Logs
    | More
    | Watch
    | Wait
    | Attach
    | Keys
    | Resize
    | Reload
)


class Progress(msgspec.Struct, tag="progress", frozen=True):
    """A step of what was asked: `at` is seconds since the request, the rest a Event."""

    at: float
    name: str
    what: str
    seconds: float
    detail: str
    pid: int


class Go(msgspec.Struct, tag="go", frozen=True):
    """The client may do its part of the deploy now."""


class Written(msgspec.Struct, frozen=True):
    """Whole lines that an instance wrote at the Unix time `at`; `stream` is stdout, stderr, or output for both.

    They stand in base64, since they may be no UTF-8.
    """

    at: float
    name: str
    lines: bytes
    stream: str = "output"


class Output(msgspec.Struct, tag="output", frozen=True):
    """Some of what was asked for by Logs; `live` what came after it was asked for."""

    pieces: list[Written]
    live: bool = False


class Attached(msgspec.Struct, tag="attached", frozen=True):
    """You are: whether the instance has a terminal, and whether your keys go there."""

    name: str
    terminal: bool
    writes: bool


class Raw(msgspec.Struct, tag="raw", frozen=True):
    """What an instance has written, as it came; before it so many bytes were `lost`, since nobody took them."""

    data: bytes
    lost: int = 0


class Taken(msgspec.Struct, tag="taken", frozen=True):
    """The instance has your keys; or so many bytes were dropped: it does not run, or reads nothing."""

    dropped: int = 0


_Pid = Annotated[int, msgspec.Meta(ge=1, le=4_194_304)]  # PID_MAX_LIMIT, proc(5)
_Time = Annotated[float, msgspec.Meta(ge=0, le=1e11)]  # such that a calendar has it


class Welcome(msgspec.Struct, tag="welcome", frozen=True):
    """The run: its pid, the Unix time it began, and the state of each of its instances."""

    pid: _Pid
    since: _Time
    states: dict[str, str]


class Row(msgspec.Struct, frozen=True):
    """One instance. Times in seconds, memory in bytes; `cpu_percent` is the average since it was started."""

    name: str
    state: str
    pid: int | None
    port: int
    uptime: float | None
    restarts: int
    cpu_seconds: float
    cpu_percent: float
    memory: int
    last_exit: str | None
    command: str
    restart: str = "never"
    busy: int | None = None
    threads: int | None = None
    store: bool = False
    status: str | None = None


class Status(msgspec.Struct, tag="status", frozen=True):
    """The answer to Ps."""

    rows: list[Row]


class Done(msgspec.Struct, tag="done", frozen=True):
    """It has happened. `failed` names the instances that did not come up; `notes` are lines to show."""

    failed: list[str]
    notes: list[str]


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """It cannot be done, and nothing was."""

    text: str
    exit_status: Annotated[int, msgspec.Meta(ge=1, le=255)] = 2


Final = Welcome | Status | Done | Refused
Turn = Go | Output | Attached | Raw | Taken
Answer = Progress | Turn | Final


def _nothing() -> None:
    pass


def _no_more(request: Request) -> None:
    raise ControlError("one request is enough for one connection", 2)


class Talk(NamedTuple):
    """What a request began: `vanished` undoes what may not be left behind, `more` takes a further request."""

    vanished: Callable[[], None] = _nothing
    more: Callable[[Request], None] = _no_more

    @property
    def needs_more(self) -> bool:
        """Whether nothing comes of it without a further request (a deploy)."""
        return self.more is not _no_more


class Lines:
    """The lines of what comes in pieces, each of `longest` bytes at most."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()

    @property
    def begun(self) -> bool:
        """Whether the end of a line is still to come."""
        return bool(self._rest)

    def take(self, data: bytes) -> list[bytes]:
        """Those that are whole now. Raises ControlError for one that is too long."""
        whole: list[bytes] = []
        if b"\n" in data:
            end, data = data.rsplit(b"\n", 1)
            whole = (bytes(self._rest) + end).split(b"\n")
            self._rest.clear()
        self._rest += data
        if max(map(len, (*whole, self._rest))) > self._longest:
            raise ControlError(f"the running procrun sends a line of more than {self._longest} bytes")
        return whole


_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_answer: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def encode(message: Any) -> bytes:
    """A message as one line; bytes of a Procfile that are no UTF-8 become question marks."""
    try:
        return msgspec.json.encode(message) + b"\n"
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(message), ensure_ascii=False)
        return text.encode(errors="replace") + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises ControlError for what is no request, or could be read as two (a key given twice)."""
    try:
        request = _request.decode(line)
        json.loads(line, object_pairs_hook=_each_key_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or a key twice
        raise ControlError(f"not understood: {error}", 2) from None
    return request


def _each_key_once(pairs: list[tuple[str, Any]]) -> None:
    """msgspec takes the last of two; whoever wrote them may have meant the first."""
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f'the key "{plain(key)}" is there twice')
        seen.add(key)


def decode_answer(line: bytes) -> Answer:
    """Raises ControlError for what is no answer."""
    try:
        return _answer.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"the running procrun answered something else: {error}") from None
