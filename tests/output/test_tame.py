"""What a child writes cannot move the cursor, change the terminal or colour the lines of others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.output.ansi import clip, tame

RED, RESET = b"\x1b[31m", b"\x1b[0m"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain\n", b"plain\n"),
        (b"10%\r50%\r100%\n", b"100%\n"),
        (b"windows\r\n", b"windows\n"),
        (b"two\r\r\n", b"two\n"),
        (b"a\rb\nc\rd\n", b"b\nd\n"),
        (RED + b"open\nnext\n", RED + b"open" + RESET + b"\nnext\n"),
        (RED + b"closed" + RESET + b"\n", RED + b"closed" + RESET + b"\n"),
        (RED + b"closed\x1b[m\n", RED + b"closed\x1b[m\n"),
        (b"\x1b[1mbold\x1b[39mstill\n", b"\x1b[1mbold\x1b[39mstill" + RESET + b"\n"),
        (b"\x1b[38;5;208mwide colour\n", b"\x1b[38;5;208mwide colour" + RESET + b"\n"),
        (b"up\x1b[2A\x1b[10Ghere\n", b"uphere\n"),
        (b"\x1b[2J\x1b[Hcleared\n", b"cleared\n"),
        (b"\x1b[?1049halternate\x1b[?25l\n", b"alternate\n"),
        (b"\x1b]0;my title\x07text\n", b"text\n"),
        (b"\x1b]2;title\x1b\\text\n", b"text\n"),
        (b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\\n", b"link\n"),
        (b"cut \x1b\nnext\n", b"cut \nnext\n"),
        (b"cut \x1b[31\nnext\n", b"cut [31\nnext\n"),
        (b"cut \x1b]0;title\nnext\n", b"cut \nnext\n"),
        (b"\x1bcreset\n", b"reset\n"),
        (b"\x1b7saved\x1b8\n", b"saved\n"),
        (b"\x1b(0lqqk\x1b(B\n", b"lqqk\n"),
        (b"\x1bP1;1|data\x1b\\dcs\n", b"dcs\n"),
        (b"a\bb\vc\fd\x0ee\x0f\n", b"abcde\n"),
        (b"\xff\xfe invalid \xc3\x28\n", b"\xff\xfe invalid \xc3\x28\n"),
        ("wide 漢字 🎉\n".encode(), "wide 漢字 🎉\n".encode()),
        ("C1 \x9b2J\x84 15 °C »é«\n".encode(), "C1 2J 15 °C »é«\n".encode()),
        (b"one \xc2\x1b[A\x9b from two\n", b"one  from two\n"),
        (b"bell\x07 and\ttab\n", b"bell\x07 and\ttab\n"),
    ],
)
def test_a_line_is_shown_as_it_stood_at_its_end(written: bytes, shown: bytes) -> None:
    assert tame(written) == shown


PIECES = st.one_of(
    st.sampled_from(
        [
            b"\r",
            b"\n",
            b"\x1b",
            b"[",
            b"]",
            b";",
            b"m",
            b"31",
            b"0",
            b"A",
            b"\x07",
            b"\\",
            b"(",
            b"P",
            b"8",
            b"\xc2",
            b"\x9b",
        ]
    ),
    st.binary(max_size=3),
)


@given(st.lists(PIECES, max_size=40).map(lambda parts: b"".join(parts) + b"\n"))
def test_nothing_wild_is_left_and_no_line_is_lost(written: bytes) -> None:
    shown = tame(written)

    assert shown.count(b"\n") == written.count(b"\n")
    assert not set(shown) & set(b"\r\b\v\f\x0e\x0f")
    assert b"\x1b" not in re.sub(rb"\x1b\[[0-9;:]*m", b"", shown)
    assert not re.search(rb"\xc2[\x80-\x9f]", shown)
    assert tame(shown) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"short? ", b"short? "),
        (RED + b"red? " + RESET, b"red? "),
        (RED + b"0123456789" + RESET, b"0123456>"),
        ("日本日本".encode(), "日本>".encode()),
    ],
)
def test_a_line_that_is_too_long_is_cut_where_no_character_and_no_colour_is_torn(line: bytes, shown: bytes) -> None:
    assert clip(line, 8) == shown
