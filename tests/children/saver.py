"""A worker with work in flight: saver.py NAME [SECONDS]. Asked to end it says by whom, saves for SECONDS, and ends.

It prints what happens to it: `NAME ready PID`, `NAME asked TERM by PID`, `NAME saving` (often), `NAME saved`. A line
that cannot be written ends it, as it ends most programs.
"""

import os
import signal
import sys
import time

ASKED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
SAVES_EVERY = 0.02

name = sys.argv[1]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.3


def say(text: str) -> None:
    os.write(1, f"{name} {text}\n".encode())


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
for number in ASKED:
    signal.signal(number, lambda *_: None)  # it is one that catches them
signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)  # and takes them by sigwaitinfo(2), which tells the sender
say(f"ready {os.getpid()}")
end = None
while end is None or time.monotonic() < end:
    asked = signal.sigtimedwait(ASKED, 3600 if end is None else SAVES_EVERY)
    if asked is not None:
        say(f"asked {signal.Signals(asked.si_signo).name.removeprefix('SIG')} by {asked.si_pid}")
        end = end or time.monotonic() + seconds
    elif end is not None:
        say("saving")
say("saved")
