"""`procrun` and `python -m procrun`."""

import gc
import sys


def main() -> None:
    """Run the command line."""
    gc.disable()  # what is imported is no garbage, and to look for some costs 2.5 ms; whoever stays looks again
    from procrun.cli.quick import parse

    plain_start = parse(sys.argv[1:])
    if plain_start is not None:
        from procrun.cli.start import start

        start(**plain_start)

    gc.enable()
    from procrun.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
