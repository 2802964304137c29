"""Bytes into whole lines: what has no newline yet waits here; and how many there were."""

from typing import NamedTuple

LONGEST = 8 * 1024 * 1024
"""Bytes a line may have; a longer one is cut there, so that memory stays bounded."""


class LineBuffer:
    """Splits a stream of chunks at its last newline; no work is done line by line."""

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0
        """Bytes of the unfinished line."""

    def feed(self, data: bytes) -> bytes:
        """All whole lines that are complete now (with their newlines), or nothing."""
        cut = data.rfind(b"\n") + 1
        if not cut:
            self._keep(data)
            return self.flush() if self.size > LONGEST else b""
        if cut == len(data) and not self._parts:
            return data
        whole = b"".join((*self._parts, memoryview(data)[:cut]))
        self._parts.clear()
        self.size = 0
        self._keep(data[cut:])
        return whole

    def flush(self) -> bytes:
        """The unfinished line as a whole one, nothing when there is none."""
        rest = self.partial()
        self._parts.clear()
        self.size = 0
        return rest + b"\n" if rest else b""

    def partial(self) -> bytes:
        """The unfinished line as it stands: a prompt, maybe."""
        if len(self._parts) > 1:
            self._parts[:] = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self.size += len(data)


class Amount(NamedTuple):
    """So much output."""

    size: int = 0
    lines: int = 0

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.size + other.size, self.lines + other.lines)

    def __str__(self) -> str:
        """`1,234,567 bytes (4,321 lines)`."""
        return f"{_count(self.size, 'byte')} ({_count(self.lines, 'line')})"


def measure(data: bytes) -> Amount:
    """How much `data` is."""
    return Amount(len(data), data.count(b"\n"))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
