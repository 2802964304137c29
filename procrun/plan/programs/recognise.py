"""Which known program a command runs, and what its words, variables and files make of its profile."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from procrun.plan import textfile
from procrun.plan.programs import computed, profiles, settings, versions, what_runs
from procrun.plan.programs.profile import Code, Profile, Variant
from procrun.plan.programs.shell_grammar import ASSIGNMENT
from procrun.plan.programs.webservers import FALCON, PUMA, THIN, UNICORN
from procrun.plan.programs.what_runs import Around, Program

_RAILS_VALUED = ("-p", "--port", "-b", "--binding", "-c", "--config", "-e", "--environment", "-P", "--pid")
_ASKED = frozenset(("--version", "--help"))
"""Options with which any program says something and ends."""


class Recognised(NamedTuple):
    """A known program behind a command: `words` from its own name on, and what the command assigns for it.

    `variables` is its whole environment, `folder` the one it runs in, as a path from the app's. `profile` is as the
    words, the variables and the program's files make it (`REMAP_SIGTERM=SIGQUIT celery …`). `where` is the place in a
    file of the app that starts it, empty where it is the command itself. `around` has what kills it after a time.
    `others` are the known programs that the same command runs beside it, or that it manages.
    """

    profile: Profile
    words: tuple[str, ...]
    assignments: Mapping[str, str] = {}
    variables: Mapping[str, str] = {}
    folder: str = ""
    where: str = ""
    around: tuple[Around, ...] = ()
    others: tuple["Recognised", ...] = ()


def recognise(
    command: str, variables: Mapping[str, str], root: str | None = None, own: Sequence[Profile] = ()
) -> Recognised | None:
    """What procrun knows of the program that `command` runs; None for an unknown one, or where it is unclear.

    Of several it is the one that the stop of the command has to suit; the rest are its `others`. `variables` is the
    environment that the command gets; with the app's folder `root`, the files there count too. `own` are the profiles
    of the app's own programs, which go before the known ones.
    """
    programs = what_runs.programs(command, variables, root)
    found = [(program, _known(program, root, own)) for program in programs if not _ASKED.intersection(program.words)]
    known = [(program, each) for program, each in found if each is not None]
    chosen = _running(known)
    if not chosen:
        return None
    main = min(chosen, key=lambda pair: _rank(*pair))[1]
    if main.profile.store and any(each is None and not program.earlier for program, each in found):
        return None
    return main._replace(others=tuple(each for _, each in chosen if each is not main))


def _running(known: Sequence[tuple[Program, Recognised]]) -> list[tuple[Program, Recognised]]:
    """Those that run at the same time; where a test decides between different programs, none of these."""
    running = [pair for pair in known if not pair[0].earlier] or list(known[-1:])
    unsure = {each.profile.name for program, each in running if not program.sure}
    return [pair for pair in running if pair[0].sure or len(unsure) == 1]


def _rank(program: Program, known: Recognised) -> tuple[bool, bool, bool]:
    """What comes first of the programs of one command: a manager before what it runs, a store last."""
    return (program.inner, known.profile.store, known.profile.patience is None and not known.profile.manager)


def _known(program: Program, root: str | None, own: Sequence[Profile]) -> Recognised | None:
    folder = None if root is None else os.path.join(root, program.folder)
    profile = _of_words(program.words, program.variables, folder, own)
    if profile is None:
        return None
    # `rake resque:work QUEUE=* TERM_CHILD=1`: rake takes assignments behind its tasks
    late = dict(word.split("=", 1) for word in program.words if ASSIGNMENT.match(word) and "rake" in program.words[0])
    known = Recognised(
        profile,
        program.words,
        {**program.assignments, **late},
        {**program.variables, **late},
        program.folder,
        program.where,
        program.around,
    )
    return known._replace(profile=_settled(known, folder))


def named(profile: Profile, command: str, variables: Mapping[str, str], root: str | None = None) -> Recognised:
    """The command with the profile that a configuration gives it, whatever would be recognised."""
    programs = what_runs.programs(command, variables, root)
    found = next((each for each in programs if not each.earlier), Program((), {}, variables, ""))
    known = Recognised(profile, *found[:4], where=found.where, around=found.around)
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
    """The version that would run, of a program that comes as a gem, from PyPI or from npm; None where it is unknown."""
    profile, folder = recognised.profile, os.path.join(root, recognised.folder)
    if profile.dist:
        return versions.dist_version(profile.dist, folder, recognised.variables)
    if profile.npm:
        return versions.npm_version(profile.npm, folder)
    return versions.gem_version(profile.gem, folder, recognised.variables) if profile.gem else None


def _of_words(
    words: Sequence[str], variables: Mapping[str, str], folder: str | None, own: Sequence[Profile] = ()
) -> Profile | None:
    name = os.path.basename(words[0])
    rest = words[1:]
    if name == "rails" and settings.operands(rest, _RAILS_VALUED)[:1] in (["server"], ["s"]):
        return _rails_server(rest, variables, folder)
    if name == "rackup":
        return _rackup(rest, variables, folder)
    for profile in profiles.of_program(words[0], own):
        arguments = {name, *settings.operands(rest, profile.verb_options)}
        if profile.verbs and not arguments.intersection(profile.verbs):
            continue
        if not profile.script or _may_hold(profile.script, words[0], folder):
            return profile
    return None


def _may_hold(pattern: str, word: str, folder: str | None) -> bool:
    """Whether a script of the app has `pattern` in it, or cannot be read."""
    text = textfile.text(os.path.join(folder, word)) if folder is not None else ""
    return not text or re.search(pattern, text) is not None


def _rails_server(words: Sequence[str], variables: Mapping[str, str], folder: str | None) -> Profile | None:
    """Puma, unless a word names another server (`rails s thin`, `-u thin`) or the Gemfile.lock has no Puma."""
    using = settings.option(words, ("-u", "--using")) or "".join(settings.operands(words, _RAILS_VALUED)[1:2])
    if using:
        return _RACK_SERVERS.get(using.lower())
    lock = None if folder is None else versions.lock_file(folder, variables)
    return PUMA if lock is None or versions.locked(PUMA.gem, lock) else None


_RACK_SERVERS = {"puma": PUMA, "falcon": FALCON, "thin": THIN, "unicorn": UNICORN}


def _rackup(words: Sequence[str], variables: Mapping[str, str], folder: str | None) -> Profile | None:
    """The server that rackup runs: the one that is named, else the first that the Gemfile.lock has."""
    named = settings.option(words, ("-s", "--server")) or variables.get("RACK_HANDLER")
    if named:
        return _RACK_SERVERS.get(named.lower())
    lock = None if folder is None else versions.lock_file(folder, variables)
    locked = (profile for name, profile in _RACK_SERVERS.items() if lock and versions.locked(name, lock))
    return next((profile for profile in locked if profile is not UNICORN), None)


def _settled(known: Recognised, folder: str | None) -> Profile:
    """The profile with the changes of each variant that holds, in their order."""
    profile = known.profile
    for variant in profile.variants:
        if _holds(variant, known, folder):
            profile = profile._replace(**variant.changes)
    return profile


def _holds(variant: Variant, known: Recognised, folder: str | None) -> bool:
    given = known.variables.get(variant.variable) if variant.variable else None
    given_option = settings.option(known.words, variant.options)
    return (
        (variant.word != "" and any(variant.word in word for word in known.words))
        or (given_option is not None and re.fullmatch(variant.value, given_option) is not None)
        or (given is not None and re.fullmatch(variant.value, given) is not None)
        or (folder is not None and (variant.line or variant.setting) != "" and _in_file(variant, known, folder))
        or (folder is not None and variant.code is not None and _in_code(variant.code, known, folder))
    )


def _in_code(code: Code, known: Recognised, folder: str) -> bool:
    from procrun.plan.programs import appcode  # where a program may be set up so

    return appcode.holds(code, known.words, known.variables, folder)


def _in_file(variant: Variant, known: Recognised, folder: str) -> bool:
    patience = variant.changes.get("patience")
    config = variant.config or (patience.config if patience else None)
    name = settings.config_file(config, known.words, folder) if config else None
    content = textfile.text(os.path.join(folder, name)) if name else ""
    if variant.setting:
        found = computed.in_file(variant.setting, content, known.variables)
        return bool(found) and found[-1] not in (None, False, 0, "0")
    return re.search(variant.line, content, re.MULTILINE) is not None
