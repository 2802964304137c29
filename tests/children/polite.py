"""On TERM says so, takes SECONDS to finish, says goodbye and exits with STATUS."""

import os
import signal
import sys
import time


def stop(*_: object) -> None:
    print("asked to stop", flush=True)
    time.sleep(float(sys.argv[1]))
    print("bye", flush=True)
    os._exit(int(sys.argv[2]))


signal.signal(signal.SIGTERM, stop)
print(f"ready pid={os.getpid()}", flush=True)
while True:
    signal.pause()
