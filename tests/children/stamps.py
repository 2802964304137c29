"""Writes lines with the time (monotonic, ns): stamps.py flood, without end; stamps.py COUNT, now and then."""

import os
import sys
import time

if sys.argv[1] == "flood":
    while True:
        os.write(1, b"".join(b"%d %s\n" % (time.monotonic_ns(), b"x" * 1000) for _ in range(16)))
for _ in range(int(sys.argv[1])):
    os.write(1, b"%d\n" % time.monotonic_ns())
    time.sleep(0.01)
