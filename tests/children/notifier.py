"""Speaks sd_notify(3) with nothing but a socket: sends each argument (\\x20 is a blank), then lives on until TERM.

`flood` sends without end; `ping SECONDS` sends WATCHDOG=1 at that distance, `ping SECONDS TIMES` so often and no more.
`connected SECONDS` and `by-path SECONDS` do the same and say so: by the one connection, or by a new look at the path.
"""

import os
import signal
import socket
import sys
import time


def say(text: str) -> None:
    """Not by print: a signal may come in the middle of one, and another one in its handler is a RuntimeError."""
    os.write(1, f"{text}\n".encode())


def stop(*_: object) -> None:
    say("asked to stop")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"])
words = sys.argv[1:]

say(f"pid={os.getpid()}")
if words[:1] == ["flood"]:
    say("flooding")
    while True:
        notify.send(b"STATUS=again and again")
if words[:1] == ["ping"]:
    notify.send(b"READY=1")
    say("ready")
    times = int(words[2]) if len(words) > 2 else 10**9
    for _ in range(times):
        notify.send(b"WATCHDOG=1")
        time.sleep(float(words[1]))
    words = []
if words[:1] in (["connected"], ["by-path"]):
    while True:
        try:
            if words[0] == "connected":
                notify.send(b"WATCHDOG=1")
            else:
                notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                notify.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
            say("told")
        except OSError as error:
            say(f"not told: {error}")
        time.sleep(float(words[1]))
for word in words:
    notify.send(word.encode())
say("sent")
while True:
    signal.pause()
