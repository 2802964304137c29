"""Runs a hundred talking, crash-looping instances for ten minutes and watches what procrun itself uses.

    soak.py               ten minutes
    soak.py --minutes 3   so many

Every instance crashes after 1 to 15 seconds (talker.c) and is started again (`restart = "always"`). Meanwhile one
client asks for `ps` every three seconds, and one connects and drops. Then comes TERM. The exit status is 0 when memory
and descriptors of front and supervisor did not grow over the second half and nothing was left behind, else 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence

import install
import looks
import machine
import proctree
from compiled import CACHE, compiled
from errors import BenchError
from looks import Look, Reader
from runners import Entry
from session import STOP_LIMIT, Session
from vitals import growth

INSTANCES = 100
PIPES = 2  # of each instance that is up: its stdin and its output
LIFE = 15
SHORTEST = 2.0  # minutes: fewer looks say nothing
TELL_EVERY = 10  # looks
MEMORY_BOUND = 50.0  # KiB a minute, front and supervisor together: 80 bytes for each restart
STEPS_BOUND = 2048  # KiB: how much higher the second half may come than the first, all steps together
DESCRIPTOR_BOUND = 1.0  # a minute; one in every hundred restarts would be about seven
CONFIGURATION = """\
[process.talk]
restart = "always"
"""
STAYS = {".gitignore", "lock"}  # what a run leaves in .procrun for the next one


def main() -> int:
    """Soak, judge; the exit status."""
    parser = argparse.ArgumentParser(description="Watch what procrun uses while a hundred instances crash.")
    parser.add_argument("--minutes", type=float, default=10.0, help="default: 10")
    minutes = parser.parse_args().minutes
    if minutes < SHORTEST:
        parser.error(f"give at least {SHORTEST:g} minutes")
    proctree.become_subreaper()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(machine.describe())
    print(f"{INSTANCES} instances, {minutes:g} minutes; front and supervisor together:\n\n{looks.HEADER}", flush=True)
    try:
        faults = _soak(60 * minutes)
    except BenchError as error:
        faults = [str(error)]
    for fault in faults:
        print(f"  MISSED  {fault}")
    return 1 if faults else 0


def _soak(seconds: float) -> list[str]:
    """Run it; what is wrong with it."""
    program = compiled("talker")
    if program is None:
        raise BenchError("no C compiler found")
    out, writer = os.pipe()
    reader = Reader(out)
    talkers = Entry("talk", f"{program} {LIFE}", INSTANCES)
    with Session(install.procrun(CACHE), [talkers], writer, {"procrun.toml": CONFIGURATION}) as session:
        os.close(writer)
        reader.start()
        taken = []
        for look in looks.looks(session, reader, seconds):
            taken.append(look)
            if len(taken) % TELL_EVERY == 1:
                print(look.row(), flush=True)
        return _growing(taken) + _left(session)


def _growing(taken: Sequence[Look]) -> list[str]:
    """What grows over the second half. Each instance with a process has one descriptor, its pipe: they are taken off.

    Memory has two bounds: what it grows by as a rule, and how much higher it comes than it had been.
    """
    first, second = taken[: len(taken) // 2], taken[len(taken) // 2 :]
    times = [look.at for look in second]
    memory = growth(times, [look.uses.own for look in second])
    steps = max(look.uses.own for look in second) - max(look.uses.own for look in first)
    descriptors = growth(times, [look.uses.descriptors - PIPES * look.up for look in second])
    print("\n  second half:")
    faults = [
        _judged("own memory, KiB a minute", memory, MEMORY_BOUND),
        _judged("highest own memory, KiB above that of the first half", steps, STEPS_BOUND),
        _judged("descriptors beyond the pipes, a minute", descriptors, DESCRIPTOR_BOUND),
    ]
    return [fault for fault in faults if fault]


def _judged(what: str, value: float, bound: float) -> str:
    """Show the figure; a fault if it is above its bound, else nothing."""
    print(f"    {what}: {value:+.4g} (bound {bound:g})")
    return f"{what}: {value:+.4g}" if value > bound else ""


def _left(session: Session) -> list[str]:
    """TERM; what is still there afterwards."""
    stopped = session.stop()
    files = {path.name for path in (session.folder / ".procrun").iterdir()} - STAYS
    print(f"  gone {stopped.seconds:.2f} s after TERM, {stopped.left} processes left, {len(files)} files in .procrun")
    faults = [f"left in .procrun: {name}" for name in sorted(files)]
    if stopped.left:
        faults.append(f"{stopped.left} processes left")
    if stopped.seconds >= STOP_LIMIT:
        faults.append(f"not gone {STOP_LIMIT:g} s after TERM")
    return faults


if __name__ == "__main__":
    sys.exit(main())
