"""Writes lines as fast as they are taken, whatever signal comes but KILL."""

import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
block = b"".join(b"flood %06d abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz\n" % n for n in range(1000))
while True:
    os.write(1, block)
