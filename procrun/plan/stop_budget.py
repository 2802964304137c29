"""Time-outs must nest: what of a program's work a stop would lose, and the setting that saves it."""

from collections.abc import Iterator
from math import inf
from signal import SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN

from procrun.core.errors import Finding
from procrun.core.spec import Step
from procrun.core.stop_sequence import HEROKUS_BUDGET, format_sequence
from procrun.plan.cures import cures, cures_of_deadline, longer_time, own_setting
from procrun.plan.findings import SIMULATED_BUDGET, program_code
from procrun.plan.layout import Plan
from procrun.plan.options import Entry, ProcessConfig
from procrun.plan.policies import configured_restart_signal, recognised, with_program
from procrun.plan.programs.grace_period import (
    DEFAULT,
    Wait,
    deadline,
    looked_at,
    managers_deadline,
    patience,
    stop_sequence,
)
from procrun.plan.programs.profile import Ending, Patience, Profile, Reach
from procrun.plan.programs.profiles import covers, named
from procrun.plan.programs.recognise import Recognised, installed_version
from procrun.plan.programs.what_runs import Around
from procrun.plan.room import Case, Room, Work, end_of, room_of
from procrun.system.signals import signal_name


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


def _case(plan: Plan, entry: Entry) -> Case:
    config = plan.sources.config.processes.get(entry.name, ProcessConfig())
    case = Case(plan, entry, config, plan.manners[entry.name].stop_sequence, entry.where)
    return case._replace(where=config.places["stop_sequence"]) if case.own_sequence else case


def _of_program(case: Case, known: Recognised) -> Iterator[Finding]:
    """One cause is enough: what is lost at once is not lost again later."""
    found = [*_deadly(case, known), *_restart_signal(case, known)] or [*_at_term(case, known)]
    yield from found or _impatient(case, known)
    yield from _managers(case, known)
    for other in known.others:
        yield from [*_at_term(case, other)] or _impatient(case, other)


# --- signals that kill


def _deadly(case: Case, known: Recognised) -> Iterator[Finding]:
    """Signals of the sequence, before the one that saves the work, that end the program on the spot."""
    kept = known.profile.patience
    for step in case.steps if case.own_sequence else ():
        if kept is not None and step.signal in (kept.signal, *kept.also):
            return
        fate = _kills(case, known, step.signal)
        if fate:
            better = format_sequence(_own_sequence(case, known))
            yield _finding(case, known.profile, "deadly-signal", f'{fate}; use stop_sequence = "{better}"', case.where)


def _restart_signal(case: Case, known: Recognised) -> Iterator[Finding]:
    number = configured_restart_signal(case.config) if case.plan.platform == "server" else None
    fate = _kills(case, known, number) if number is not None else ""
    if fate:
        text = f"{fate}; remove it, and a deploy restarts by the stop sequence"
        yield _finding(case, known.profile, "deadly-signal", text, case.config.places["restart_signal"])


def _kills(case: Case, known: Recognised, number: int) -> str:
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


def _at_term(case: Case, known: Recognised) -> Iterator[Finding]:
    profile, place = known.profile, f"{known.profile.name}, in {known.where}: " if known.where else ""
    given = [*_by_its_manager(case, known)]
    yield from given
    if given or not _is_as_term(profile, _ending(known)[1].signal):
        return
    signals = [step.signal for step in case.steps]
    good = profile.stop[0].signal
    if SIGTERM not in signals:
        return
    if profile.at_term and (good == SIGTERM or good not in signals[: signals.index(SIGTERM)]):
        text = profile.at_term
        if case.own_sequence and good == SIGQUIT:
            text = f'{text.partition("; ")[0]}; use stop_sequence = "{format_sequence(profile.stop)}"'
        yield _finding(case, profile, "term", place + text, case.where)
    elif case.plan.platform == "heroku" and profile.term_to_all:
        text = f"a dyno's every process gets TERM: {profile.term_to_all}"
        yield _finding(case, profile, "dyno-term", place + text, case.where)


# --- how a manager ends what it runs


def _ending(known: Recognised) -> tuple[str, Ending]:
    """The manager next to the program that ends it otherwise than by one TERM to it, and how."""
    special = [(each.name, each.ending) for each in known.around if each.ending[::2] != Ending()[::2]]
    return special[-1] if special else ("", Ending())


def _by_its_manager(case: Case, known: Recognised) -> Iterator[Finding]:
    """Its manager ends it by a signal at which it does not finish its work, or tells its children as well."""
    (manager, ending), profile, name = _ending(known), known.profile, _name(known)
    if ending.signal == SIGKILL or _is_bad(profile, ending.signal) or _kills(case, known, ending.signal):
        loses = profile.patience.loses if profile.patience else "its work is lost"
        text = f"{manager} ends {name} by {signal_name(ending.signal)}, and {loses}"
        good = ending.set_by.format(signal=signal_name(profile.stop[0].signal))
        cure = f"use {good}" if good else f"run {profile.name} without {manager}"
        yield _finding(case, profile, "manager-signal", f"{text}; {cure}", case.where)
    elif case.plan.platform != "heroku" and ending.signal == SIGTERM and _is_reached(profile, ending.reach):
        cure = f"run {profile.name} without {ending.reach_set_by or manager}"
        text = f"{manager} sends TERM to {name} and {ending.reach.value}: {profile.term_to_all}; or {cure}"
        yield _finding(case, profile, "manager-reach", text, case.where)


def _is_as_term(profile: Profile, number: int) -> bool:
    """Whether it does the same at this signal as at TERM."""
    kept = profile.patience
    return number == SIGTERM or (kept is not None and kept.signal == SIGTERM and number in kept.also)


def _is_bad(profile: Profile, number: int) -> bool:
    """Whether TERM is bad for it, and this signal is neither as TERM nor the good one."""
    kept = profile.patience
    good = (profile.stop[0].signal, *((kept.signal, *kept.also) if kept is not None else ()))
    return profile.at_term != "" and number not in good and not _is_as_term(profile, number)


def _is_reached(profile: Profile, reach: Reach) -> bool:
    """Whether a TERM that reaches so far costs it its work."""
    if reach is Reach.ONE or (reach is Reach.GROUP and profile.apart):
        return False
    return profile.term_to_all != ""


# --- time-outs


def _impatient(case: Case, known: Recognised) -> Iterator[Finding]:
    """The program's own wait for its work, and what it needs after it, must fit between its signal and KILL."""
    kept, wait = known.profile.patience, patience(known, case.plan.sources.root)
    if kept is None or wait is None:
        return
    if _ending(known)[1].signal != SIGTERM:
        kept = kept._replace(signal=SIGTERM)  # for its manager, which sends it what is good for it
    room = room_of(case, kept)
    if room is None:
        better = format_sequence(_own_sequence(case, known))
        text = f"without {signal_name(kept.signal)} {_name(known)} never ends its {kept.work}, and {kept.loses}"
        yield _finding(case, known.profile, "never-ends", f'{text}; use stop_sequence = "{better}"', case.where)
    elif wait.seconds is None:
        yield _unread(case, known, kept, wait, room)
    else:
        needed = _needed(case, known.profile, kept, wait.seconds)
        yield from _too_short(case, Work(known, kept, wait.seconds, _said_by(case, known, wait), needed, room))


def _said_by(case: Case, known: Recognised, wait: Wait) -> str:
    if wait.said_by != DEFAULT:
        return wait.said_by
    why = looked_at(known, case.plan.sources.root) if case.complete else "its own options cannot be seen any more"
    return f"{wait.said_by}: {why}" if why else wait.said_by


def _too_short(case: Case, work: Work) -> Iterator[Finding]:
    """Whichever ends the program first: what stands around it, or our own KILL."""
    known, kept, room = work.known, work.kept, work.room
    killer = deadline(known, case.plan.sources.root)
    if killer is not None and (killer[1].seconds or 0) < min(work.needed, room.seconds):
        yield _of_deadline(case, work, *killer)
        return
    if room.seconds >= work.needed:
        return
    text = f"{_name(known)} waits {_how_long(work.seconds)} for its {kept.work} after {room.signal} ({work.said_by})"
    lost = room.seconds <= work.seconds
    end = end_of(case, room)
    fate = f"{end} and {kept.loses}" if lost else f"it may need {kept.margin:g} s more, and {end}"
    if case.plan.platform == "heroku" and work.needed <= HEROKUS_BUDGET:
        text = f"{text}, and a dyno has {HEROKUS_BUDGET:g} s for that; here {fate}; use {longer_time(case, work)}"
        yield _finding(case, known.profile, SIMULATED_BUDGET, text, case.where, note=True)
        return
    text = f"{text}; {fate}; {cures(case, work)}"
    yield _finding(case, known.profile, "timeout", text, case.where, note=not lost)


def _of_deadline(case: Case, work: Work, around: Around, wait: Wait) -> Finding:
    """What runs the program kills it first: `foreman kills what it runs 5 s after TERM; sidekiq needs 9 s`."""
    kept, limit = work.kept, wait.seconds or 0.0
    lost = limit <= work.seconds
    said_by = f" ({work.said_by})"
    needs = f"waits {_how_long(work.seconds)} for its {kept.work}{said_by}"
    if work.seconds < inf:
        needs = f"needs {work.needed:g} s: it {needs}, and may take {kept.margin:g} s more"
    fate = f"; {kept.loses}" if lost else ""
    text = f"{around.name} kills what it runs {limit:g} s after {work.room.signal} ({wait.said_by})"
    cure = cures_of_deadline(case, work._replace(room=work.room._replace(seconds=limit)), around)
    text = f"{text}, and {_name(work.known)} {needs}{fate}; {cure}"
    return _finding(case, work.known.profile, "deadline", text, case.where, note=not lost)


def _unread(case: Case, known: Recognised, kept: Patience, wait: Wait, room: Room) -> Finding:
    """The wait is computed where it cannot be read: what it must not be, and how to say it plainly."""
    most = max(room.seconds - kept.margin, 0)
    work = Work(known, kept, 0, wait.said_by, 0, room)
    own = own_setting(case, work, room.seconds)
    text = f"how long {_name(known)} waits for its {kept.work} after {room.signal} cannot be read ({wait.said_by})"
    text = f"{text}; if that is more than {most:g} s, {end_of(case, room)} and {kept.loses}"
    return _finding(case, known.profile, "unread", f"{text}; {own or 'write a plain number'}", case.where)


def _managers(case: Case, known: Recognised) -> Iterator[Finding]:
    """A manager whose programs may live longer than it may itself, where what these do is not known."""
    profile, root = known.profile, case.plan.sources.root
    if not profile.manager or profile.deadline is None or any(each.profile.patience for each in known.others):
        return
    wait, room = managers_deadline(known, root), room_of(case, profile.deadline)
    if room is None or wait.seconds is None or room.seconds >= wait.seconds or wait.seconds == inf:
        return
    text = f"{_name(known)} gives what it runs {wait.seconds:g} s after {room.signal} ({wait.said_by})"
    work = Work(known, profile.deadline, wait.seconds, wait.said_by, wait.seconds + profile.deadline.margin, room)
    text = f"{text}; {end_of(case, room)} and {profile.deadline.loses}; use {longer_time(case, work)}"
    yield _finding(case, profile, "timeout", text, case.where, note=wait.said_by == DEFAULT)


def _how_long(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < inf else "without end"


def _name(known: Recognised) -> str:
    """`sidekiq`; `celery, in run_celery.sh:4,` where a file of the app starts it."""
    return f"{known.profile.name}, in {known.where}," if known.where else known.profile.name


def _needed(case: Case, profile: Profile, kept: Patience, seconds: float) -> float:
    """Seconds from its signal to KILL. What waits without end gets on a server what its profile gives it."""
    if seconds == inf and case.plan.platform == "server":
        return max(step.wait for step in profile.stop if step.signal == kept.signal)
    return seconds + kept.margin


def _own_sequence(case: Case, known: Recognised) -> tuple[Step, ...]:
    """What the profile would do on a server."""
    return stop_sequence(known, case.plan.sources.root)


# --- odd sequences


def _of_sequence(case: Case, lost_already: bool) -> Iterator[Finding]:
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


def _no_time(case: Case, step: Step, following: Step) -> Finding:
    first, second = signal_name(step.signal), signal_name(following.signal)
    better = format_sequence(s._replace(wait=10) if s is step else s for s in case.steps)
    killed = following.signal == SIGKILL
    cost = "no time to save anything, and its work is lost" if killed else "no time to act on it"
    text = f"{second} comes together with {first}: there is {cost}"
    return _of(case, "no-wait", f'{text}; use stop_sequence = "{better}"', note=not killed)


def _finding(case: Case, profile: Profile, cause: str, text: str, where: str, note: bool = False) -> Finding:
    """A note where only requests are cut, or the work is done again; `cause` is one of PROGRAM_CODES."""
    usual = named(profile.name) or profile  # settings may have taken its patience
    kept = profile.patience or usual.patience or profile.deadline
    mild = kept is None or kept.harmless or kept.work == "requests"
    return Finding(where, text, program_code(profile.name, cause), note or mild, (case.entry.name,))


def _of(case: Case, code: str, text: str, note: bool = False) -> Finding:
    return Finding(case.where, text, code, note, (case.entry.name,))
