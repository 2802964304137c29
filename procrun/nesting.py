"""Time-outs must nest: what of a program's work a stop would lose, and the setting that saves it."""

import os
from collections.abc import Iterator
from math import inf
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH
from typing import NamedTuple

from procrun.findings import program_code
from procrun.manners import recognised, with_program
from procrun.model import Entry, Finding, ProcessConfig, Step
from procrun.patience import DEFAULT, Wait, patience, stop_sequence
from procrun.plan import Plan
from procrun.profile import Patience, Profile
from procrun.profiles import covers, named
from procrun.recognition import Recognised, installed_version
from procrun.settings import config_file
from procrun.stopping import HEROKUS_BUDGET, configured_restart_signal, format_sequence, signal_name

_DIAGNOSTIC = frozenset({SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG})
"""Signals after which a program goes on with its work."""

_SPARE = 1
"""Seconds between the end of a time-out that is advised and KILL."""


class _Case(NamedTuple):
    """A process type: `steps` is its stop sequence, `where` what has to be changed for it.

    Where its options are not `complete`, it was seen to run, and has written over its command line.
    """

    plan: Plan
    entry: Entry
    config: ProcessConfig
    steps: tuple[Step, ...]
    where: str
    complete: bool = True

    @property
    def own_sequence(self) -> bool:
        """Whether the configuration gave the sequence, and it counts."""
        return self.plan.platform == "server" and self.config.stop_sequence is not None


class _Room(NamedTuple):
    """How long a program may work on after `signal`: `seconds`, until `end` comes; `before` is what has passed then."""

    signal: str
    before: float
    seconds: float
    end: str
    step: int
    of_total: bool = False


def losses(plan: Plan) -> list[Finding]:
    """The findings that cost work, of those types alone that are to be started."""
    types = {spec.type for spec in plan.specs}
    found = (finding for entry in plan.types if entry.name in types for finding in nesting(plan, entry))
    return [finding for finding in found if not finding.note]


def nesting(plan: Plan, entry: Entry) -> Iterator[Finding]:
    """What the stop of a process type would cost, by its stop sequence, its program and its program's settings."""
    case = _case(plan, entry)
    variables = {name: variable.value for name, variable in plan.sources.environment.variables.items()}
    known = recognised(entry, plan.sources.config, variables, plan.sources.root)
    found = list(_of_program(case, known)) if known is not None else []
    yield from found
    if case.own_sequence:
        yield from _of_sequence(case, bool(found))


def of_running(plan: Plan, entry: Entry, known: Recognised, complete: bool) -> Iterator[Finding]:
    """What its stop would cost, by the program that one of its instances was seen to run.

    Where its command line was not `complete`, options that it may have been given are unknown.
    """
    case = _case(plan, entry)._replace(complete=complete)
    if not case.own_sequence:
        given = plan.sources.config.processes.get(entry.name, ProcessConfig())
        manners = with_program(plan.manners[entry.name], known, given, plan.rules, plan.sources.root)
        case = case._replace(steps=manners.stop_sequence)
    yield from _of_program(case, known)


def _case(plan: Plan, entry: Entry) -> _Case:
    config = plan.sources.config.processes.get(entry.name, ProcessConfig())
    case = _Case(plan, entry, config, plan.manners[entry.name].stop_sequence, entry.where)
    return case._replace(where=config.places["stop_sequence"]) if case.own_sequence else case


def _of_program(case: _Case, known: Recognised) -> Iterator[Finding]:
    """One cause is enough: what is lost at once is not lost again later."""
    found = [*_deadly(case, known), *_restart_signal(case, known)] or [*_at_term(case, known.profile)]
    yield from found or _impatient(case, known)


# --- signals that kill


def _deadly(case: _Case, known: Recognised) -> Iterator[Finding]:
    """Signals of the sequence, before the one that saves the work, that end the program on the spot."""
    kept = known.profile.patience
    for step in case.steps if case.own_sequence else ():
        if kept is not None and step.signal in (kept.signal, *kept.also):
            return
        fate = _kills(case, known, step.signal)
        if fate:
            better = format_sequence(_own_sequence(case, known))
            yield _finding(case, known.profile, "deadly-signal", f'{fate}; use stop_sequence = "{better}"', case.where)


def _restart_signal(case: _Case, known: Recognised) -> Iterator[Finding]:
    number = configured_restart_signal(case.config) if case.plan.platform == "server" else None
    fate = _kills(case, known, number) if number is not None else ""
    if fate:
        text = f"{fate}; remove it, and a deploy restarts by the stop sequence"
        yield _finding(case, known.profile, "deadly-signal", text, case.config.places["restart_signal"])


def _kills(case: _Case, known: Recognised, number: int) -> str:
    """`USR1 kills sidekiq 6.4.1, and every job in flight is lost`; empty where it does not."""
    deadly = next((each for each in known.profile.deadly if each.signal == number), None)
    if deadly is None:
        return ""
    version = installed_version(known, case.plan.sources.root)
    holds = covers(deadly, version)
    if holds is False:
        return ""
    name = known.profile.name
    who = f"{name} {'.'.join(map(str, version))}" if version else name
    if holds is None:
        who = f"{name} {deadly.since[0]} and newer (which one runs is not known here: no Gemfile.lock has it)"
    loses = known.profile.patience.loses if known.profile.patience else "its work is lost"
    return f"{signal_name(number)} kills {who}, and {loses}"


# --- TERM where it is not the good end


def _at_term(case: _Case, profile: Profile) -> Iterator[Finding]:
    signals = [step.signal for step in case.steps]
    good = profile.stop[0].signal
    if SIGTERM not in signals:
        return
    if profile.at_term and (good == SIGTERM or good not in signals[: signals.index(SIGTERM)]):
        text = profile.at_term
        if case.own_sequence and good == SIGQUIT:
            text = f'{text.partition("; ")[0]}; use stop_sequence = "{format_sequence(profile.stop)}"'
        yield _finding(case, profile, "term", text, case.where)
    elif case.plan.platform == "heroku" and profile.term_to_all:
        text = f"a dyno's every process gets TERM: {profile.term_to_all}"
        yield _finding(case, profile, "dyno-term", text, case.where)


# --- time-outs


class _Work(NamedTuple):
    """A program that waits for its work by `kept`, in fact for `wait`; it needs `needed` seconds from its signal on."""

    known: Recognised
    kept: Patience
    wait: Wait
    needed: float
    room: _Room


def _impatient(case: _Case, known: Recognised) -> Iterator[Finding]:
    """The program's own wait for its work, and what it needs after it, must fit between its signal and KILL."""
    kept, wait = known.profile.patience, patience(known, case.plan.sources.root)
    if kept is None or wait is None:
        return
    room = _room(case, kept)
    if room is None:
        better = format_sequence(_own_sequence(case, known))
        text = f"without {signal_name(kept.signal)} {known.profile.name} never ends its {kept.work}, and {kept.loses}"
        yield _finding(case, known.profile, "never-ends", f'{text}; use stop_sequence = "{better}"', case.where)
        return
    work = _Work(known, kept, wait, _needed(case, known.profile, kept, wait), room)
    if room.seconds < work.needed:
        how_long = f"{wait.seconds:g} s" if wait.seconds < inf else "without end"
        text = f"{known.profile.name} waits {how_long} for its {kept.work} after {room.signal} ({_said_by(case, wait)})"
        lost = room.seconds <= wait.seconds
        end = _end(case, room)
        fate = f"{end} and {kept.loses}" if lost else f"it may need {kept.margin:g} s more, and {end}"
        text = f"{text}; {fate}; {_cures(case, work)}"
        yield _finding(case, known.profile, "timeout", text, case.where, note=not lost)


def _said_by(case: _Case, wait: Wait) -> str:
    if case.complete or wait.said_by != DEFAULT:
        return wait.said_by
    return f"{wait.said_by}; its own options cannot be seen any more"


def _needed(case: _Case, profile: Profile, kept: Patience, wait: Wait) -> float:
    """Seconds from its signal to KILL. What waits without end gets on a server what its profile gives it."""
    if wait.seconds == inf and case.plan.platform == "server":
        return max(step.wait for step in profile.stop if step.signal == kept.signal)
    return wait.seconds + kept.margin


def _room(case: _Case, kept: Patience) -> _Room | None:
    """What the sequence leaves the program for its work; None where the signal for it never comes."""
    graceful = (kept.signal, *kept.also)
    start = next((index for index, step in enumerate(case.steps) if step.signal in graceful), None)
    if start is None:
        return None
    before = sum(step.wait for step in case.steps[:start])
    ends = (index for index in range(start + 1, len(case.steps)) if case.steps[index].signal not in _DIAGNOSTIC)
    end = next(ends, None)
    seconds = sum(step.wait for step in case.steps[start:end]) if end is not None else inf
    room = _Room(
        signal=signal_name(case.steps[start].signal),
        before=before,
        seconds=seconds,
        end=signal_name(case.steps[end].signal) if end is not None else "",
        step=start,
    )
    config = case.plan.sources.config
    if case.plan.platform == "server" and config.total_budget is not None:
        left = max(config.total_budget - config.store_budget - before, 0)
        if left < seconds:
            room = room._replace(seconds=left, of_total=True)
    return room


def _end(case: _Case, room: _Room) -> str:
    if room.of_total:
        return f"total_budget leaves {room.seconds:g} s for that"
    if case.plan.platform == "server":
        return f"{room.end} comes {room.seconds:g} s after it"
    return f"{room.end} comes at {room.seconds:g} s"


# --- cures


def _cures(case: _Case, work: _Work) -> str:
    """`use -t 6, or a longer budget: procrun start -t 28`."""
    if case.plan.platform == "heroku" and work.needed > HEROKUS_BUDGET:
        return _cure_on_a_dyno(case, work)
    own, longer = _own_setting(case, work, work.room.seconds), _longer(case, work)
    return f"{own}, or {longer}" if own else f"use {longer}"


def _cure_on_a_dyno(case: _Case, work: _Work) -> str:
    """Its own setting: a budget beyond Heroku's would be no dyno's."""
    own = _own_setting(case, work, work.room.seconds)
    if own:
        return own
    own = _own_setting(case, work, HEROKUS_BUDGET)
    return f"{own}, and a longer budget: procrun start -t {HEROKUS_BUDGET:g}" if own else "a dyno has no cure for it"


def _own_setting(case: _Case, work: _Work, room: float) -> str:
    """The program's own setting that fits into `room` seconds, where one does."""
    kept = work.kept
    fitting = int(room - kept.margin - _SPARE)
    value = f"{fitting / kept.unit:.0f}"
    if fitting <= 0:
        return ""
    if kept.cure:
        return kept.cure.format(seconds=fitting)
    if kept.options:
        return f"use {kept.options[0]} {value}"
    if kept.variables:
        return f"set {kept.variables[0]}={value}"
    if kept.config is None:
        return ""
    folder = os.path.join(case.plan.sources.root, work.known.folder)
    file = config_file(kept.config, work.known.words, folder) or next(iter(kept.config.files), "its configuration")
    return f"set {kept.config.setting} {value} in {file}"


def _longer(case: _Case, work: _Work) -> str:
    """How the time between the signal and KILL gets longer."""
    config, room, needed = case.plan.sources.config, work.room, work.needed
    if room.of_total:
        return f"a longer total_budget = {room.before + needed + config.store_budget:g} in procrun.toml"
    if case.plan.platform == "server":
        steps = list(case.steps)
        steps[room.step] = steps[room.step]._replace(wait=needed)
        return f'a longer wait: stop_sequence = "{format_sequence(steps)}"'
    if needed == inf:
        return 'platform = "server" in procrun.toml, which waits longer'
    longer = f"a longer budget: procrun start -t {needed:g}"
    if config.total_budget is not None and config.total_budget - config.store_budget < needed:
        longer += f", with total_budget = {needed + config.store_budget:g} in procrun.toml"
    return longer


def _own_sequence(case: _Case, known: Recognised) -> tuple[Step, ...]:
    """What the profile would do on a server."""
    return stop_sequence(known, case.plan.sources.root)


# --- odd sequences


def _of_sequence(case: _Case, lost_already: bool) -> Iterator[Finding]:
    """What is odd about a configured sequence, whatever the program is."""
    for step, following in zip(case.steps, [*case.steps[1:], None], strict=True):
        if step.signal == SIGTTIN:
            better = format_sequence(s._replace(signal=SIGTSTP) if s.signal == SIGTTIN else s for s in case.steps)
            text = "TTIN quiets no worker: Sidekiq writes its threads' stacks at it and takes new jobs for"
            text = f'{text} {step.wait:g} s more, which are cut off then; use stop_sequence = "{better}"'
            yield _of(case, "ttin-quiets-nothing", text)
        if following is not None and step.wait == 0 and not lost_already:
            yield _no_time(case, step, following)
    if case.steps[-1].signal != SIGKILL:
        text = "does not end in kill: what does not obey is reported and stays alive; end it in kill"
        yield _of(case, "no-kill", f"{text}, without no_kill", note=True)


def _no_time(case: _Case, step: Step, following: Step) -> Finding:
    first, second = signal_name(step.signal), signal_name(following.signal)
    better = format_sequence(s._replace(wait=10) if s is step else s for s in case.steps)
    killed = following.signal == SIGKILL
    cost = "no time to save anything, and its work is lost" if killed else "no time to act on it"
    text = f"{second} comes together with {first}: there is {cost}"
    return _of(case, "no-wait", f'{text}; use stop_sequence = "{better}"', note=not killed)


def _finding(case: _Case, profile: Profile, cause: str, text: str, where: str, note: bool = False) -> Finding:
    """A note where only requests are cut, or the work is done again; `cause` is one of PROGRAM_CODES."""
    usual = named(profile.name) or profile  # settings may have taken its patience
    kept = profile.patience or usual.patience
    mild = kept is None or kept.harmless or kept.work == "requests"
    return Finding(where, text, program_code(profile.name, cause), note or mild, (case.entry.name,))


def _of(case: _Case, code: str, text: str, note: bool = False) -> Finding:
    return Finding(case.where, text, code, note, (case.entry.name,))
