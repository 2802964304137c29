"""`signal`, and `quiet`, which is the signal by which a program takes no new work."""

from procrun.control.protocol import Done, Quiet, Signal, Talk
from procrun.core.errors import ControlError
from procrun.core.stop_sequence import signal_number
from procrun.supervise import drain
from procrun.supervise.handlers.context import Context, Send
from procrun.system.signals import signal_name


def signal(context: Context, request: Signal, send: Send) -> Talk:
    """Send it to the main process of each instance that is meant, or to none of them."""
    number = signal_number(request.signal, "signal")
    platform = context.plan.platform
    if platform == "heroku":
        raise ControlError("a dyno gets no signals but TERM and KILL; use `procrun restart`", 2)
    name = signal_name(number)
    if platform == "local" and name in ("USR1", "USR2", "TSTP"):
        context.server_only(f"signal {name}", f"a dyno has no {name}")
    chosen = context.choose(request.names)
    for process in chosen:
        if not process.status.up:
            raise ControlError(f"{process.spec.name} is not running", 1)
        if not request.force and not process.members.survives(number):
            who = process.manners.profile or process.spec.name
            text = f"{process.spec.name}: {who} does not catch {name} and would die of it; --force sends it anyway"
            raise ControlError(text, 2)
    for process in chosen:
        process.members.send(number)
    send(Done([], [f"{name} sent to {', '.join(process.spec.name for process in chosen)}"]))
    return Talk()


def quiet(context: Context, request: Quiet, send: Send) -> Talk:
    """Have the instances take no new work, and say how busy they are where their titles tell."""
    context.server_only("quiet", "TERM makes a worker quiet too, and `procrun restart` sends it")
    chosen = context.choose(request.names)
    for process in chosen:
        if not process.manners.quiet_signals:
            raise ControlError(f"{process.spec.name}: {_never_quiet(process.manners.profile)}", 2)
    notes = []
    for process in chosen:
        if not process.status.up or not process.stopper.make_quiet():
            raise ControlError(f"{process.spec.name} does not catch its quiet signal (yet); it was not sent", 1)
        busy = drain.busy(process.members)
        if busy is not None:
            note = f"{process.spec.name}: {busy.busy} of {busy.threads} busy, as its title says; may be 5 s old"
            notes.append(note)
    send(Done([], notes))
    return Talk()


def _never_quiet(profile: str) -> str:
    """That no signal quiets it, and what does, where that is known."""
    from procrun.plan.programs import profiles

    known = profiles.named(profile)
    hint = known.quiet_hint if known is not None else ""
    why = hint or f"no signal makes {profile or 'this program'} quiet"
    return f"{why}; nothing was sent"
