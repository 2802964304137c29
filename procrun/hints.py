"""What messages about wrong input share: how a value is shown, what was probably meant, and where text is broken."""

import os
from collections.abc import Iterable

from procrun.core.errors import ConfigError
from procrun.core.text import clean

_MOST_SHOWN = 40


def shown(value: object) -> str:
    """A wrong value as one short line: text in quotes without secrets, numbers as they are, others by kind."""
    if isinstance(value, str):
        return f'"{plain(public(value))}"'
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**_MOST_SHOWN:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value)
    kinds: dict[type, str] = {dict: "a table", list: "a list", tuple: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def public(text: str) -> str:
    """What of a text that somebody wrote into a file may be shown: the password of a URL, say, is `****`."""
    from procrun.core.masking import mask  # where there is a fault

    return mask("", text)


def plain(text: str, most: int = _MOST_SHOWN) -> str:
    """A name or value in a message: what cannot be printed is escaped, and one of more letters than `most` is cut."""
    return clean(text if len(text) <= most else text[: most - 1] + "…")


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean "after"?` where one of `known` is close to `word`, else `otherwise`."""
    from difflib import get_close_matches  # 6 ms, so only when there is a fault

    close = get_close_matches(word[:_MOST_SHOWN], known, 1)
    return f'; did you mean "{close[0]}"?' if close else otherwise


def there_are(names: Iterable[str], word: str) -> str:
    """`; there are: web, worker; did you mean "worker"?` for a `word` that is none of them."""
    known = list(names)
    return f"; there are: {', '.join(known)}{did_you_mean(word, known)}"


def decoded(data: bytes, name: str) -> str:
    """The text of a file, without a BOM. Raises ConfigError with line and column where it is no UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        raise ConfigError("is no UTF-8; save the file as plain UTF-8", place(name, before, len(before))) from None


def place(name: str, text: str, position: int) -> str:
    """`procrun.toml:7:3` for the character at `position` (from 0) of `text`."""
    before = text[:position]
    return f"{name}:{before.count(chr(10)) + 1}:{position - before.rfind(chr(10))}"


def from_here(path: str) -> str:
    """A path as one would type it: from the current folder, where it is below that."""
    return path.removeprefix(os.path.join(os.getcwd(), ""))
