"""Notes in FILE that it is ready; on TERM writes LINES lines of 100 bytes, notes that all were taken, and exits."""

import os
import signal
import sys

lines, file = int(sys.argv[1]), sys.argv[2]


def note(word: str) -> None:
    with open(file, "a") as notes:
        notes.write(word + "\n")


def stop(*_: object) -> None:
    for start in range(0, lines, 1000):
        block = b"".join(b"farewell %07d %s\n" % (n, b"x" * 83) for n in range(start, min(start + 1000, lines)))
        while block:
            block = block[os.write(1, block) :]
    note("taken")
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
note("ready")
while True:
    signal.pause()
