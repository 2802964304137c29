"""One slow answer as WSGI and as ASGI: says when it begins, and is done after two seconds."""

import asyncio
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
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", _LENGTH)])
    return [ANSWER]


async def asgi(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """For uvicorn."""
    if scope["type"] != "http":
        return
    _begun(scope["path"])
    if scope["path"] == "/slow":
        await asyncio.sleep(2)
    headers = [(b"content-type", b"text/plain"), (b"content-length", _LENGTH.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def _begun(path: str) -> None:
    print(f"begun {path}", flush=True)
