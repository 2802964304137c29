"""A client of procrun's control socket, small enough to take no time from what is measured (docs/control.md)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from errors import BenchError

TIMEOUT = 30.0


def connect(folder: Path) -> socket.socket:
    """A connection to the one run in `folder`."""
    paths = list((folder / ".procrun").glob("*.sock"))
    if len(paths) != 1:
        raise BenchError(f"{len(paths)} sockets in {folder}/.procrun")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    connection.connect(str(paths[0]))
    return connection


def request(folder: Path, kind: str, **fields: Any) -> socket.socket:
    """Send a request; its answers are read by `final`, or never."""
    connection = connect(folder)
    connection.sendall(json.dumps({"type": kind, **fields}).encode() + b"\n")
    return connection


def final(connection: socket.socket) -> dict[str, Any]:
    """Wait for the last answer of a request, which ends the connection."""
    last = b""
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            last = line
    if not last:
        raise BenchError("it hung up without an answer")
    answer: dict[str, Any] = json.loads(last)
    return answer
