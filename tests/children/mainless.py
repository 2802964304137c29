"""Lives on in a second thread once its main thread has ended (pthread_exit(3)); /proc shows it as a zombie.

mainless.py [deaf]      ends with 3 at TERM, or never
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

DEAF = "deaf" in sys.argv


def live_on() -> None:
    """Say so once the main thread has gone, and wait for TERM: Python's own handlers would run in that thread only."""
    while " Z " not in Path("/proc/self/stat").read_text():
        time.sleep(0.01)
    os.write(1, f"ready pid={os.getpid()}\n".encode())
    signal.sigwait({signal.SIGTERM})
    os.write(1, b"asked to stop\n")
    while DEAF:
        signal.pause()
    os._exit(3)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Thread(target=live_on).start()
ctypes.CDLL(None).pthread_exit(None)
