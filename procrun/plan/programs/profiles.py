"""The table of known programs, and what is looked up in it.

To add a program, write a Profile into `workers`, `webservers`, `stores` or `managers`, its names into `names`.
"""

from collections.abc import Sequence

from procrun.plan.programs.managers import MANAGERS
from procrun.plan.programs.profile import Profile, Versions
from procrun.plan.programs.stores import STORES
from procrun.plan.programs.webservers import WEBSERVERS
from procrun.plan.programs.workers import WORKERS

PROFILES: tuple[Profile, ...] = (*WORKERS, *WEBSERVERS, *STORES, *MANAGERS)


def named(name: str, own: Sequence[Profile] = ()) -> Profile | None:
    """The profile of this name, as a configuration gives it; `own` are those of the app's own programs."""
    return next((profile for profile in (*own, *PROFILES) if profile.name == name), None)


def of_program(program: str, own: Sequence[Profile] = ()) -> list[Profile]:
    """The profiles that a program of this name or path may have: its arguments decide. `bin/jobs` needs its folder."""
    names = {"/".join(program.split("/")[-parts:]) for parts in (1, 2)}
    return [profile for profile in (*own, *PROFILES) if names.intersection(profile.programs)]


def quiet_signal(profile: Profile, version: tuple[int, ...] | None) -> int | None:
    """The signal that quiets this version; None where there is none, or where an unknown version would decide."""
    for quiet in profile.quiet:
        holds = covers(quiet, version)
        if holds is not False:
            return quiet.signal if holds else None
    return None


def covers(versions: Versions, version: tuple[int, ...] | None) -> bool | None:
    """Whether `version` is one of `versions`; None where an unknown version would decide."""
    if version is None:
        return None if versions.since or versions.before else True
    return version >= versions.since and (not versions.before or version < versions.before)
