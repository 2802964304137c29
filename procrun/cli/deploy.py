"""What a server knows beyond a dyno: quiet, deploy, signal."""

import signal
import subprocess
from typing import Any

import click

from procrun.cli.click_options import WithCommand, one_of, process_names, takes
from procrun.cli.control import each, engine_of
from procrun.cli.follow import follow
from procrun.cli.options import APP, JSON
from procrun.control.protocol import Deploy, Deployed
from procrun.core.errors import CommandError, ConfigError

_SIGNALS = [number.name.removeprefix("SIG").lower() for number in signal.Signals]

_names = click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=process_names)


@click.command("quiet")
@takes(*APP, *JSON)
@_names
def quiet_command(names: tuple[str, ...], as_json: bool, **where: Any) -> int:
    """Have workers take no new work and finish what they have (platform "server").

    The signal is the program's own (TSTP for Sidekiq) and goes to its main process. `procrun ps` shows how many jobs
    are still busy; `procrun restart` ends the quiet.
    """
    return each(where, names, lambda run, chosen: run.quiet(chosen), as_json)


@click.command("signal")
@takes(*APP, *JSON)
@click.option("--force", is_flag=True, help="Also a signal that the program does not catch and dies of.")
@click.argument("signal_", metavar="SIG", shell_complete=one_of(*_SIGNALS))
@_names
def signal_command(signal_: str, names: tuple[str, ...], force: bool, as_json: bool, **where: Any) -> int:
    """Send a signal to the main process of NAME: TTIN has Sidekiq write the stacks of its threads into the stream."""
    return each(where, names, lambda run, chosen: run.signal(signal_, chosen, force), as_json)


@click.command("deploy", cls=WithCommand)
@takes(*APP, *JSON)
@click.option("-x", "--except", "exclude", metavar="NAME,…", multiple=True, help="Leave these alone.")
@click.option("--drain-first", metavar="SECONDS", type=float, help="Let jobs end before CMD, so long at most.")
@click.option("--drain", metavar="SECONDS", type=float, help="Let jobs end before the restart, so long at most.")
@click.argument("names", nargs=-1, metavar="[NAME]… [-- CMD…]", shell_complete=process_names)
def deploy_command(
    names: tuple[str, ...],
    exclude: tuple[str, ...],
    drain_first: float | None,
    drain: float | None,
    as_json: bool,
    **where: Any,
) -> int:
    """Quiet the workers, run CMD on this terminal, read the plan again, restart on it (platform "server").

    Without NAME everything is restarted but stores and what has restart_on_deploy = false. When CMD fails, or this
    command is interrupted, what was quieted is restarted on the old plan; the exit status is CMD's.
    """
    command: list[str] | None = click.get_current_context().meta["command"]
    meant = engine_of(where).find(names)
    if len(meant) != 1:
        raise ConfigError("several runs are meant; deploy them one after the other, by name", "deploy")
    run, chosen = meant[0]
    status = 0

    def work() -> Deployed:
        nonlocal status
        status = _run(command) if command else 0
        return Deployed(status, drain)

    left_out = [name.strip() for item in exclude for name in item.split(",") if name.strip()]
    failed = follow(run.deploy(Deploy(chosen, left_out, drain_first), work), as_json)
    return status or failed


def _run(command: list[str]) -> int:
    """Run CMD on this terminal; Ctrl-C is its own to answer (a handler, since an ignored INT would be inherited)."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        status = subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise CommandError(f"{command[0]}: command not found; what was quieted is restarted", 127) from None
    except OSError as error:
        raise CommandError(f"{command[0]}: cannot be executed: {error.strerror}", 126) from None
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
