"""Prints the table of known programs for docs/workers.md from what procrun knows of them."""

import sys
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from procrun.plan.programs.profile import Profile
from procrun.plan.programs.profiles import PROFILES
from procrun.system.signals import signal_name

HEAD = ("profile", "programs", "ends its work at", "its own time-out", "where that is set", "at KILL", "source")


def table() -> str:
    """The rows of workers, web servers and managers; the stores are in docs/stores.md."""
    rows = [HEAD, ("---",) * len(HEAD), *(_row(profile) for profile in PROFILES if not profile.store)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _row(profile: Profile) -> tuple[str, ...]:
    kept = profile.deadline if profile.manager else profile.patience
    verbs = f" {'/'.join(profile.verbs)}" if profile.verbs and set(profile.verbs).isdisjoint(profile.programs) else ""
    programs = f"`{', '.join(profile.programs)}{verbs}`"
    signal = signal_name(profile.stop[0].signal)
    if kept is None:
        return (
            f"`{profile.name}`",
            programs,
            signal,
            "-",
            "-",
            profile.at_term.partition(";")[0] or "-",
            profile.source,
        )
    wait = "none" if kept.default == inf else f"{kept.default:g} s"
    return (f"`{profile.name}`", programs, signal, wait, _places(profile) or "-", kept.loses, profile.source)


def _places(profile: Profile) -> str:
    kept = profile.deadline if profile.manager else profile.patience
    assert kept is not None
    places = [f"`{kept.options[-1]}`"] if kept.options else []
    places += [f"`{name}`" for name in kept.variables]
    if kept.config is not None:
        setting = kept.config.setting.replace(r"(?:Rails\.application\.)?", "").replace("\\", "")
        places.append(f"`{setting}`" + (f" in {kept.config.files[0]}" if kept.config.files else ""))
    return ", ".join(places)


if __name__ == "__main__":
    print(table(), end="")
