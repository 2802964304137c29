"""Writes numbered lines, notes in FILE each number that the pipe has taken, and stops, multiplies and floods by WORDs.

    writer.py FILE [WORD…]      stubborn, slow, flood, long; fork, session and daemon start others that write too

A line is `<KEY N>`; KEY is the instance (PS) with the writer's words and pid. FILE gets `KEY N SECONDS` behind every
write, and `KEY TERM SECONDS` when TERM comes (monotonic clock, one O_APPEND write each).
"""

import os
import signal
import sys
import time

NOTES = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
WORDS = set(sys.argv[2:])
KINDS = {
    "fork": {"child"},
    "session": {"child", "stubborn", "away"},
    "daemon": {"child", "away", "orphan"},
}
"""What a word starts: a plain child, one in a session of its own that ignores TERM, a daemon whose parent is gone."""


def become(words: set[str]) -> None:
    """A child with these words, which writes until it is stopped."""
    if os.fork():
        return
    if "away" in words:
        os.setsid()
    if "orphan" in words and os.fork():
        os._exit(0)
    write_on(words)


def write_on(words: set[str]) -> None:
    """Write until TERM, or for as long as one is let."""
    key = f"{os.environ['PS']}/{'-'.join(sorted(words)) or 'plain'}/{os.getpid()}"
    asked = []

    def note_term(*_: object) -> None:
        asked.append(True)
        note(key, "TERM")

    signal.signal(signal.SIGTERM, note_term)
    for number in (signal.SIGTSTP, signal.SIGUSR1, signal.SIGTTIN):
        signal.signal(number, lambda *_: None)
    for word in set(KINDS) & words:
        become(KINDS[word])
    last = 0
    while not asked or "stubborn" in words:
        last = write(key, last, words)
        time.sleep(0.03)
    for _ in range(10 if "slow" in words else 1):
        last = write(key, last, words)
        time.sleep(0.02 if "slow" in words else 0)
    os._exit(0)


def write(key: str, last: int, words: set[str]) -> int:
    """The next lines, in pieces that a pipe takes as a whole (4096 bytes, pipe(7)); the last number."""
    padding = "x" * (20_000 if "long" in words else 60 if "flood" in words else 0)
    for _ in range(8 if "flood" in words else 1):
        numbers = range(last + 1, last + (31 if "flood" in words else 2))
        block = "".join(f"<{key} {number}>{padding}\n" for number in numbers).encode()
        try:
            while block:  # only a long line may be taken in parts
                block = block[os.write(1, block) :]
        except OSError:
            return last  # nobody reads any more; live on
        last = numbers[-1]
        note(key, last)
    return last


def note(key: str, what: object) -> None:
    os.write(NOTES, f"{key} {what} {time.monotonic()}\n".encode())


write_on(WORDS)
