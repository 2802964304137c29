"""On TERM says so, takes SECONDS to finish, says goodbye and exits with STATUS.

It writes with os.write: TERM may come in the middle of a print, and another one in its handler would be a RuntimeError.
"""

import os
import signal
import sys
import time


def stop(*_: object) -> None:
    os.write(1, b"asked to stop\n")
    time.sleep(float(sys.argv[1]))
    os.write(1, b"bye\n")
    os._exit(int(sys.argv[2]))


signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready pid=%d\n" % os.getpid())
while True:
    signal.pause()
