"""An address of HTTP: what may be written for one, in its parts. By hand, as urllib.parse costs 8 ms of a start."""

import re
from typing import NamedTuple

LAST_PORT = 65535

_URL = r"http://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-~]*|\?[!-~]*)?"


class Url(NamedTuple):
    """`target` is what the request line asks for."""

    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"http://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """Host and port, as a URL and the header Host have them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read(text: str, port: int) -> Url:
    """A path (`/health`) is asked of `port` on the loopback, a URL of where it leads.

    Raises ValueError that says what to give.
    """
    if re.fullmatch("/[!-~]*", text) and "#" not in text and not text.startswith("//"):
        return Url("127.0.0.1", port, text)
    if text.startswith("https:"):
        raise ValueError('speaks no TLS; ask by command = "curl -fsS …"')
    found = re.fullmatch(_URL, text)
    if found is None or "#" in text or not 0 < int(found[2] or 80) <= LAST_PORT:
        raise ValueError('takes a path, as in "/health", or a URL, as in "http://127.0.0.1:3000/health"')
    target = found[3] or "/"
    return Url(found[1].strip("[]"), int(found[2] or 80), target if target[0] == "/" else f"/{target}")
