"""`procrun` and `python -m procrun`."""

import gc
import os
import sys


def main() -> None:
    """Run the command line."""
    gc.disable()  # what is imported is no garbage, and to look for some costs 2.5 ms; whoever stays looks again
    _open_standard_descriptors()
    from procrun.cli.quick import parse

    plain_start = parse(sys.argv[1:])
    if plain_start is not None:
        from procrun.cli.start import start

        start(**plain_start)

    gc.enable()
    from procrun.cli.main import run

    sys.exit(run())


def _open_standard_descriptors() -> None:
    """Whoever closed 0, 1 or 2 (`>&-`) shall not have a pipe or socket of ours in its place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)


if __name__ == "__main__":
    main()
