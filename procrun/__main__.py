"""`procrun` and `python -m procrun`."""

import sys


def main() -> None:
    """Run the command line."""
    from procrun.cli.quick import parse

    plain_start = parse(sys.argv[1:])
    if plain_start is not None:
        from procrun.cli.start import start

        start(**plain_start)

    from procrun.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
