"""Waits for descriptors (epoll(7))."""

import select


class Poller:
    """Which of the watched descriptors are ready; `poll` waits for so many seconds, for ever with None."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.poll = self._epoll.poll  # called for every event: nothing stands between

    def read(self, fd: int) -> None:
        """Watch until `fd` can be read, or has ended. Raises PermissionError for a plain file."""
        self._epoll.register(fd, select.EPOLLIN)

    def write(self, fd: int) -> None:
        """Watch until `fd` can be written. Raises PermissionError for a plain file."""
        self._epoll.register(fd, select.EPOLLOUT)

    def forget(self, fd: int) -> None:
        """Watch it no more; one that was closed is no fault."""
        try:
            self._epoll.unregister(fd)
        except OSError:
            pass
