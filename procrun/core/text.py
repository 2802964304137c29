"""Makes text safe to show: whatever procrun says to people passes through here, whoever said it first.

A name, a command, a process title, or an answer from another user's socket may hold what a terminal obeys (ECMA-48
controls, ESC and the C1 set), what reorders the letters around it (Unicode's bidirectional overrides), or a newline
that makes one line look like two.
"""


def clean(text: str) -> str:
    """`text` on one line, with every character that cannot be printed spelt out: `\\x1b`, `\\n`, `\\u202e`.

    A byte that is not UTF-8 (a surrogate, PEP 383) becomes `\\xff`. Cleaning twice changes nothing more.
    """
    return text if text.isprintable() else "".join(map(_spelt, text))


def clean_lines(text: str) -> str:
    """The same for text that has several lines of procrun's own, such as a table whose cells are clean."""
    return "\n".join(map(clean, text.split("\n")))


def _spelt(letter: str) -> str:
    if letter.isprintable():
        return letter
    return f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else ascii(letter)[1:-1]
