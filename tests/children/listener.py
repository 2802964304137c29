"""Listens on the given port of the loopback, or on a free one, until it is killed."""

import os
import signal
import socket
import sys

listener = socket.socket()
listener.bind(("127.0.0.1", 0 if sys.argv[1] == "listen" else int(sys.argv[1])))
listener.listen()
print("listening on", listener.getsockname()[1], "pid", os.getpid(), flush=True)
signal.pause()
