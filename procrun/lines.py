"""Bytes into whole lines: what has no newline yet waits here."""

LONGEST = 8 * 1024 * 1024
"""Bytes a line may have; a longer one is cut there, so that memory stays bounded."""


class LineBuffer:
    """Splits a stream of chunks at its last newline; no work is done line by line."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """All whole lines that are complete now (with their newlines), or nothing."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._keep(tail)
            return self.flush() if self._size > LONGEST else b""
        whole = b"".join((*self._parts, head, newline))
        self._parts.clear()
        self._size = 0
        self._keep(tail)
        return whole

    def flush(self) -> bytes:
        """The unfinished line as a whole one, nothing when there is none."""
        rest = self.partial()
        self._parts.clear()
        self._size = 0
        return rest + b"\n" if rest else b""

    def partial(self) -> bytes:
        """The unfinished line as it stands: a prompt, maybe."""
        if len(self._parts) > 1:
            self._parts[:] = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._size += len(data)
