"""Which known program a command runs, and what its words, variables and files make of its profile."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from procrun import profiles, settings, versions, wrappers
from procrun.grammar import ASSIGNMENT
from procrun.profile import Profile, Variant
from procrun.webservers import PUMA

_RAILS_VALUED = ("-p", "--port", "-b", "--binding", "-c", "--config", "-e", "--environment", "-P", "--pid")


class Recognised(NamedTuple):
    """A known program behind a command: `words` from its own name on, and what the command assigns for it.

    `variables` is its whole environment, `folder` the one it runs in, as a path from the app's. `profile` is as the
    words, the variables and the program's files make it (`REMAP_SIGTERM=SIGQUIT celery …`).
    """

    profile: Profile
    words: tuple[str, ...]
    assignments: Mapping[str, str] = {}
    variables: Mapping[str, str] = {}
    folder: str = ""


def recognise(command: str, variables: Mapping[str, str], root: str | None = None) -> Recognised | None:
    """What procrun knows of the program that `command` runs; None for an unknown one, or where it is unclear.

    `variables` is the environment it gets; with the app's folder `root`, the files there count too.
    """
    found = wrappers.program(command, variables)
    if found is None:
        return None
    folder = None if root is None else os.path.join(root, found.folder)
    profile = _of_words(found.words, found.variables, folder)
    if profile is None:
        return None
    # `rake resque:work QUEUE=* TERM_CHILD=1`: rake takes assignments behind its tasks
    late = dict(word.split("=", 1) for word in found.words if ASSIGNMENT.match(word) and "rake" in found.words[0])
    known = Recognised(profile, found.words, {**found.assignments, **late}, {**found.variables, **late}, found.folder)
    return known._replace(profile=_settled(known, folder))


def named(profile: Profile, command: str, variables: Mapping[str, str], root: str | None = None) -> Recognised:
    """The command with the profile that a configuration gives it, whatever would be recognised."""
    found = wrappers.program(command, variables) or wrappers.Program((), {}, variables, "")
    known = Recognised(profile, *found)
    return known._replace(profile=_settled(known, None if root is None else os.path.join(root, found.folder)))


def of_process(words: Sequence[str], variables: Mapping[str, str], folder: str, root: str) -> Recognised | None:
    """What procrun knows of a running process by its own words and environment; None for an unknown one.

    `words` begin with the program's name (`wrappers.own_program`); it runs in `folder`, the app in `root`.
    """
    profile = _of_words(words, variables, folder) if words else None
    if profile is None:
        return None
    known = Recognised(profile, tuple(words), {}, variables, os.path.relpath(folder, root))
    return known._replace(profile=_settled(known, folder))


def installed_version(recognised: Recognised, root: str) -> tuple[int, ...] | None:
    """The version that would run, of a program that comes as a gem; None where it is unknown."""
    gem = recognised.profile.gem
    return versions.gem_version(gem, os.path.join(root, recognised.folder), recognised.variables) if gem else None


def _of_words(words: Sequence[str], variables: Mapping[str, str], folder: str | None) -> Profile | None:
    name = os.path.basename(words[0])
    rest = words[1:]
    if name == "rails" and settings.operands(rest, _RAILS_VALUED)[:1] in (["server"], ["s"]):
        return _rails_server(rest, variables, folder)
    if name == "rackup":
        return PUMA if (settings.option(rest, ("-s", "--server")) or "").lower() == "puma" else None
    for profile in profiles.of_program(name):
        arguments = {name, *settings.operands(rest, profile.verb_options)}
        if not profile.verbs or arguments.intersection(profile.verbs):
            return profile
    return None


def _rails_server(words: Sequence[str], variables: Mapping[str, str], folder: str | None) -> Profile | None:
    """Puma, unless a word names another server (`rails s thin`, `-u thin`) or the Gemfile.lock has no Puma."""
    using = settings.option(words, ("-u", "--using")) or "".join(settings.operands(words, _RAILS_VALUED)[1:2])
    if using:
        return PUMA if using.lower() == PUMA.name else None
    lock = None if folder is None else versions.lock_file(folder, variables)
    return PUMA if lock is None or versions.locked(PUMA.gem, lock) else None


def _settled(known: Recognised, folder: str | None) -> Profile:
    """The profile with the changes of each variant that holds, in their order."""
    profile = known.profile
    for variant in profile.variants:
        if _holds(variant, known, folder):
            profile = profile._replace(**variant.changes)
    return profile


def _holds(variant: Variant, known: Recognised, folder: str | None) -> bool:
    given = known.variables.get(variant.variable) if variant.variable else None
    return (
        (variant.word != "" and any(variant.word in word for word in known.words))
        or settings.option(known.words, variant.options) not in (None, "0")
        or (given is not None and re.fullmatch(variant.value, given) is not None)
        or (folder is not None and variant.line != "" and _has_line(variant, known, folder))
    )


def _has_line(variant: Variant, known: Recognised, folder: str) -> bool:
    patience = variant.changes.get("patience")
    config = patience.config if patience else None
    name = settings.config_file(config, known.words, folder) if config else None
    content = settings.text(os.path.join(folder, name)) if name else ""
    return re.search(variant.line, content, re.MULTILINE) is not None
