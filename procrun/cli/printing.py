"""Where commands write: text for people is cleaned here, JSON for programs has nothing in it to clean.

UTF-8 whatever the locale is, as the stream has it.
"""

import json
import os
import select

from procrun.core.text import clean, clean_lines


def show(line: str, fd: int = 1) -> None:
    """Write one line for people to standard output, or to standard error where `fd` is 2; waits for a slow reader."""
    put_out((clean(line) + "\n").encode(), fd)


def show_lines(text: str) -> None:
    """Write several lines, such as a table: whoever made `text` has seen to it that no newline in it is foreign."""
    put_out((clean_lines(text) + "\n").encode())


def show_json(value: object) -> None:
    """Write a value for programs, as ASCII: no string in it can reach a terminal as a control character."""
    put_out((json.dumps(value, indent=2) + "\n").encode())


def put_out(data: bytes, fd: int = 1) -> None:
    """Write all of it, without a buffer that a thread or the end of Python would trip over."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # somebody who shares it has made it non-blocking
            select.select([], [fd], [])
