"""Takes from lines what would move the cursor or colour the lines of others; for terminals and what shows colours.

Whole chunks at a time: a chunk without any control character costs a few searches in C.
"""

import re  # which compiles a pattern when it is first used: not before the first child

_WILD = (b"\x1b", b"\r", b"\b", b"\v", b"\f", b"\x0e", b"\x0f", b"\xc2")
"""The bytes that can do harm (ECMA-48: escape, return, backspace, tabs down, shifts to other character sets; and
what a control of the second set begins with in UTF-8).
"""

_CONTROLS = rb"\xc2+[\x80-\x9f]+"  # U+009B is CSI to xterm and the Linux console
_COLOUR = rb"\x1b\[[0-9;:]*m"
_OVERWRITTEN = rb"(?m)^.*\r(?=.)"
_MOVES = (
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # CSI, all but SGR (…m): cursor, erasing, scrolling, modes
    rb"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: the window's title, its colours, links
    rb"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    rb"|\x1b[ -/]+[0-~]?"  # character sets
    rb"|\x1b(?!\[[0-9;:]*m)[0-Z\\`-~]?"  # one letter: reset, save, line feeds of its own; and what ends in the middle
    rb"|[\r\b\v\f\x0e\x0f]"
)
_OPEN = rb"(?m)(\x1b\[(?!0*m)[0-9;:]*m[^\x1b\n]*)$"
_RESET = b"\x1b[0m"


def tame(lines: bytes) -> bytes:
    """`lines` as a terminal would have shown each at its end: no movement, no title, every colour ended on its line.

    A carriage return begins the line anew, as a progress bar does, so what stood before it goes.
    """
    if not any(byte in lines for byte in _WILD):
        return lines
    if b"\r" in lines:
        lines = re.sub(_OVERWRITTEN, b"", re.sub(rb"\r+\n", b"\n", lines))
    lines = re.sub(_MOVES, b"", lines)
    if b"\xc2" in lines:  # behind what was taken out, too
        lines = re.sub(_CONTROLS, b"", lines)
    return re.sub(_OPEN, rb"\1" + _RESET, lines)


def bare(lines: bytes) -> bytes:
    """`lines` without colours too, for a report that quotes them."""
    return re.sub(_COLOUR, b"", tame(lines)).expandtabs()


def clip(line: bytes, columns: int) -> bytes:
    """A tamed line, or as much of it as is sure to fit: whole characters, no colour without its end."""
    if len(line) <= columns:
        return line
    plain = re.sub(_COLOUR, b"", line)
    return plain if len(plain) <= columns else plain[: columns - 1].decode(errors="ignore").encode() + b">"
