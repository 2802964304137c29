"""Log files that never hold the loop up: a thread writes them, and what waits for their disk is bounded."""

import select
from collections import deque
from collections.abc import Callable, Iterable

from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Aside
from procrun.output.line_buffer import Amount, measure
from procrun.output.log_files import LogFiles, Rotation
from procrun.output.stdout_writer import FULL, OVERFLOW

COST = 512
"""Bytes that lines take while they wait, besides themselves."""


class Archive:
    """Writes lines into `folder`, as LogFiles has it; `on_drain` is called when it is `full` no more.

    `types` have files there. Raises OSError where the folder cannot be made or written, or a file is planted.
    """

    def __init__(
        self,
        loop: Loop,
        folder: str,
        rotation: Rotation,
        types: Iterable[str],
        on_loss: Callable[[str], None],
        on_drain: Callable[[], None],
    ) -> None:
        self._said: deque[str] = deque()
        self._files = LogFiles(folder, rotation, self._said.append, types)
        self._on_loss = on_loss
        self._on_drain = on_drain
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost: dict[str, Amount] = {}
        self._aside = Aside(loop)

    @property
    def full(self) -> bool:
        """Whether everybody should be held back until `on_drain`."""
        return self._size > FULL

    def add(self, name: str, lines: bytes, at: float, stream: str) -> None:
        """Write whole lines of the instance `name`, which came at the Unix time `at`, soon; count what is too much."""
        if self._size + len(lines) + COST > OVERFLOW:
            self._lost[name] = self._lost.get(name, Amount()).plus(measure(lines))
            return
        lost = self._lost.pop(name, Amount())
        self._waiting.append(lines)
        self._size += len(lines) + COST
        self._aside.do(lambda: self._files.add(name, lines, at, stream, lost), self._is_written)

    def close(self, patience: float) -> Amount:
        """Wait until all is written, `patience` seconds at most without progress; all that is missing in the files."""
        news = select.poll()
        news.register(self._aside.news, select.POLLIN)
        while self._waiting and news.poll(patience * 1000):
            self._aside.deliver()
        while self._said:
            self._on_loss(self._said.popleft())
        lost = self._files.dropped
        for amount in (*map(measure, self._waiting), *self._lost.values()):
            lost = lost.plus(amount)
        return lost

    def _is_written(self, _: None) -> None:
        was_full = self.full
        self._size -= len(self._waiting.popleft()) + COST
        while self._said:
            self._on_loss(self._said.popleft())
        if was_full and not self.full:
            self._on_drain()
