"""A process of a tree: node.py NAME KIND SECONDS LOG [CHILDREN]. It starts its children, and waits for TERM.

CHILDREN is JSON: a list of [PLACE, WORD, ...], where PLACE is plain, group or session. What TERM does, by KIND:

    dies      the default action; it ends with its children, too
    ignores   nothing; it ends with its children
    works     it takes SECONDS to save its work, and ends without a word to its children
    relays    it sends TERM to each child once, waits for them, and saves
    spreads   it sends TERM to its whole process group, waits for its children, and saves
    stays     it says that it was asked, and nothing else
    deaf      nothing, for ever

Each event is a line in LOG, and on stdout: `NANOSECONDS NAME up PID PPID`, `… asked PID` (by whom), `… ended`.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress

TERM = signal.SIGTERM
LOOKS_EVERY = 0.02

name, kind, seconds, log = sys.argv[1], sys.argv[2], float(sys.argv[3]), os.open(sys.argv[4], os.O_WRONLY | os.O_APPEND)
wanted = json.loads(sys.argv[5]) if len(sys.argv) > 5 else []


def note(*words: object) -> None:
    line = f"{time.monotonic_ns()} {name} {' '.join(map(str, words))}\n".encode()
    os.write(log, line)
    os.write(1, line)


def spawn(place: str, *words: str) -> int:
    if place == "session":
        return os.posix_spawnp(words[0], words, os.environ, setsid=True)
    if place == "group":
        return os.posix_spawnp(words[0], words, os.environ, setpgroup=0)
    return os.posix_spawnp(words[0], words, os.environ)


def asked(patience: float) -> bool:
    """Whether TERM has come within so many seconds."""
    info = signal.sigtimedwait({TERM}, patience)
    if info is not None:
        note("asked", info.si_pid)
    return info is not None


def bury(pids: list[int]) -> None:
    """Wait for the end of these children, and note each further TERM."""
    left = set(pids)
    while left:
        for pid in list(left):
            if os.waitpid(pid, os.WNOHANG)[0]:
                left.discard(pid)
        if left:
            asked(LOOKS_EVERY)


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
children = [spawn(*each) for each in wanted]
if kind in ("dies", "ignores", "deaf"):
    signal.signal(TERM, signal.SIG_DFL if kind == "dies" else signal.SIG_IGN)
    note("up", os.getpid(), os.getppid())
    for child in children:
        os.waitpid(child, 0)
    while kind == "deaf":
        time.sleep(3600)
    os._exit(0)

signal.signal(TERM, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {TERM})  # taken by sigtimedwait(2), which tells the sender
note("up", os.getpid(), os.getppid())
while not asked(3600) or kind == "stays":
    pass
if kind == "relays":
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, TERM)
    bury(children)
elif kind == "spreads":
    signal.signal(TERM, signal.SIG_IGN)
    os.kill(0, TERM)
    bury(children)
deadline = time.monotonic() + seconds
while time.monotonic() < deadline:
    asked(LOOKS_EVERY)
note("ended")
os._exit(0)
