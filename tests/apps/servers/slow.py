"""One slow answer as WSGI and as ASGI: says when it begins, and is done after two seconds.

At /child a child process sleeps for them, and its death is an answer of 500.
"""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

ANSWER = b"x" * 1000 + b"done"
_LENGTH = str(len(ANSWER))


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """For gunicorn."""
    _begun(environ["PATH_INFO"])
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    if environ["PATH_INFO"] == "/child":
        subprocess.run(["sleep", "2"], check=True)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", _LENGTH)])
    return [ANSWER]


async def asgi(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """For uvicorn."""
    if scope["type"] != "http":
        return
    _begun(scope["path"])
    if scope["path"] == "/slow":
        await asyncio.sleep(2)
    if scope["path"] == "/child":
        child = await asyncio.create_subprocess_exec("sleep", "2")
        if await child.wait() != 0:
            raise ChildProcessError
    headers = [(b"content-type", b"text/plain"), (b"content-length", _LENGTH.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def _begun(path: str) -> None:
    print(f"begun {path}", flush=True)
