"""Listens on the loopback until it is killed: on the given port, on PORT of the environment, or on a free one."""

import os
import signal
import socket
import sys

listener = socket.socket()
port = {"listen": "0", "environment": os.environ["PORT"]}.get(sys.argv[1], sys.argv[1])
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # who had the port a moment ago left connections there
listener.bind(("127.0.0.1", int(port)))
listener.listen()
print("listening on", listener.getsockname()[1], "pid", os.getpid(), flush=True)
signal.pause()
