"""The one reader of the user's files: what it takes, and what it does not wait for."""

import os
import threading
from pathlib import Path

import pytest

from procrun.core.errors import ConfigError
from procrun.plan import textfile
from procrun.plan.textfile import Pipes


def written(path: Path, *pieces: bytes) -> threading.Thread:
    """Somebody who writes these into the FIFO, one after the other."""

    def write() -> None:
        with path.open("wb", buffering=0) as fifo:
            for piece in pieces:
                fifo.write(piece)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_plain_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)

    assert textfile.read(str(path), "file", largest=100) == b"x" * 100
    with pytest.raises(ConfigError, match=r"^file: has more than 99 bytes; name another file$"):
        textfile.read(str(path), "file", largest=99)
    assert textfile.text(str(path), 99) == ""


def test_a_file_with_holes_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, 1 << 40)

    with pytest.raises(ConfigError, match="has more than"):
        textfile.read(str(path), "file")


def test_a_fifo_is_read_to_the_end_of_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    pieces = [b"a" * 100_000, b"b", b"", b"c" * 100_000]
    writer = written(path, *pieces)

    assert textfile.read(str(path), "fifo", Pipes.READ) == b"".join(pieces)

    writer.join()


def test_a_fifo_whose_writer_says_nothing_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = written(path)

    assert textfile.read(str(path), "fifo", Pipes.READ) == b""

    writer.join()


@pytest.mark.parametrize(
    ("pipes", "why"),
    [
        (Pipes.REFUSED, "fifo: is a FIFO, and has to be a plain file"),
        (Pipes.READ_ONCE, "fifo: is no plain file and is read only once; stop procrun and start it again"),
    ],
)
def test_a_fifo_is_not_waited_for_unasked(tmp_path: Path, pipes: Pipes, why: str) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    with pytest.raises(ConfigError) as told:
        textfile.read(str(path), "fifo", pipes)

    assert str(told.value) == why


@pytest.mark.parametrize("pipes", Pipes)
def test_the_null_device_is_an_empty_file(pipes: Pipes) -> None:
    assert textfile.read(os.devnull, os.devnull, pipes) == b""


@pytest.mark.parametrize("path", ["missing", ".", "loop", "fifo", "a\0b", "/dev/zero"])
def test_text_is_empty_where_there_is_no_plain_file(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    os.mkfifo("fifo")

    assert textfile.text(path) == ""
