"""What to change so that a program's work fits into the time that it has."""

import os
from math import ceil, inf

from procrun.core.stop_sequence import HEROKUS_BUDGET, format_sequence
from procrun.plan.programs.grace_period import in_code
from procrun.plan.programs.recognise import installed_version
from procrun.plan.programs.settings import config_file
from procrun.plan.programs.what_runs import Around
from procrun.plan.room import Case, Work

_SPARE = 1
"""Seconds between the end of a time-out that is advised and KILL."""


def cures(case: Case, work: Work) -> str:
    """`use -t 6, or a longer budget: procrun start -t 28`."""
    if case.plan.platform == "heroku" and work.needed > HEROKUS_BUDGET:
        return _cure_on_a_dyno(case, work)
    own, longer = own_setting(case, work, work.room.seconds), longer_time(case, work)
    return f"{own}, or {longer}" if own else f"use {longer}"


def cures_of_deadline(case: Case, work: Work, around: Around) -> str:
    """`use -t 1 for sidekiq, or --timeout 9 for foreman`, where `work.room` is what the manager or wrapper leaves."""
    kept, own = around.deadline, own_setting(case, work, work.room.seconds)
    own = f"{own} for {work.known.profile.name}" if own.startswith("use -") else own
    longer = ""
    if work.needed < inf and kept.cure:
        longer = kept.cure.format(seconds=f"{work.needed:g}", milliseconds=f"{work.needed * 1000:g}")
    elif work.needed < inf and kept.options:
        option = f"{kept.options[-1]} {ceil(work.needed / kept.unit)} for {around.name}"
        longer = option if own.startswith("use -") else f"use {option}"
    return ", or ".join(filter(None, (own, longer))) or f"run {work.known.profile.name} without {around.name}"


def _cure_on_a_dyno(case: Case, work: Work) -> str:
    """Its own setting: a budget beyond Heroku's would be no dyno's."""
    own = own_setting(case, work, work.room.seconds)
    if own:
        return own
    own = own_setting(case, work, HEROKUS_BUDGET)
    return f"{own}, and a longer budget: procrun start -t {HEROKUS_BUDGET:g}" if own else "a dyno has no cure for it"


def own_setting(case: Case, work: Work, room: float) -> str:
    """The program's own setting that fits into `room` seconds, where one does."""
    kept = work.kept
    fitting = int(room - kept.margin - _SPARE)
    value = f"{fitting / kept.unit:.0f}"
    if fitting <= 0:
        return ""
    if kept.cure:
        version = installed_version(work.known, case.plan.sources.root) if kept.cure_since else None
        old = version is not None and version < kept.cure_since
        return (kept.cure_before if old else kept.cure).format(seconds=fitting)
    code = in_code(work.known, case.plan.sources.root)
    if code is not None and kept.config is not None:
        return f"set {kept.config.setting} {value} in {code.said_by}"
    if kept.options:
        return f"use {kept.options[0]} {value}"
    if kept.variables:
        return f"set {kept.variables[0]}={value}"
    if kept.config is None:
        return ""
    folder = os.path.join(case.plan.sources.root, work.known.folder)
    file = config_file(kept.config, work.known.words, folder) or next(iter(kept.config.files), "its configuration")
    return f"set {kept.config.setting} {value} in {file}"


def longer_time(case: Case, work: Work) -> str:
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
