"""`procrun` and `python -m procrun`."""

import gc
import os
import sys


def main() -> None:
    """Run the command line."""
    _forget_coercion()
    gc.disable()  # what is imported is no garbage, and to look for some costs 2.5 ms; whoever stays looks again
    _open_standard_descriptors()
    _read_all_as_utf8()
    from procrun.cli.fast_start import parse

    plain_start = parse(sys.argv[1:])
    if plain_start is not None:
        from procrun.cli.start import start

        start(**plain_start)

    gc.enable()
    from procrun.cli.main import run

    sys.exit(run())


def _forget_coercion() -> None:
    """Have LC_CTYPE as the shell has it: in the C locale Python sets one at its start (PEP 538), for its children, too.

    What this program was executed with tells what the shell had.
    """
    if os.environ.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8"):
        return
    from procrun.system.host import process_table

    given = process_table.environment(os.getpid())
    if not given:
        return
    if "LC_CTYPE" in given:
        os.environ["LC_CTYPE"] = given["LC_CTYPE"]
    else:
        del os.environ["LC_CTYPE"]


def _open_standard_descriptors() -> None:
    """Whoever closed 0, 1 or 2 (`>&-`) shall not have a pipe or socket of ours in its place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)


def _read_all_as_utf8() -> None:
    """In an 8-bit locale Python is begun anew in its UTF-8 mode: files are UTF-8, and children get their bytes."""
    if sys.getfilesystemencoding() != "utf-8" and sys.executable and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


if __name__ == "__main__":
    main()
