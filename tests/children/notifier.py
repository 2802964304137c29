"""Speaks sd_notify(3) with nothing but a socket: sends each argument (\\x20 is a blank), then lives on until TERM.

`flood` sends without end; `ping SECONDS` sends WATCHDOG=1 at that distance, `ping SECONDS TIMES` so often and no more.
"""

import os
import signal
import socket
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: (print("asked to stop", flush=True), sys.exit(0)))
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"])
words = sys.argv[1:]

print(f"pid={os.getpid()}", flush=True)
if words[:1] == ["flood"]:
    print("flooding", flush=True)
    while True:
        notify.send(b"STATUS=again and again")
if words[:1] == ["ping"]:
    notify.send(b"READY=1")
    print("ready", flush=True)
    times = int(words[2]) if len(words) > 2 else 10**9
    for _ in range(times):
        notify.send(b"WATCHDOG=1")
        time.sleep(float(words[1]))
    words = []
for word in words:
    notify.send(word.encode())
print("sent", flush=True)
while True:
    signal.pause()
