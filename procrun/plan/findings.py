"""The names of findings, which of them are accepted, and how findings are shown.

A code is the cause in lower-case words with hyphens between them (`unset-variable`). The code of a finding about the
stop of a known program begins with the name of its profile (`sidekiq-timeout`). A code never changes: projects write
it into `accept` in procrun.toml. To add a finding, add its code to the table where it belongs and a row with the same
meaning to docs/check.md; tests/plan/test_findings.py compares both with the code.
"""

from collections.abc import Container, Iterable, Iterator

from procrun.core.errors import Finding
from procrun.core.text import did_you_mean, plain, shown
from procrun.plan.options import Config

APP_CODES = {
    "ignored-line": "a line of the Procfile is no entry and is left out",
    "continued-line": "a line of the Procfile goes on in the next one, which a Procfile cannot",
    "dropped-line": "a line of `.env` is no `NAME=value` and is left out",
    "missing-value": "a name in `.env` has no `=`",
    "split-value": "a value in `.env` goes on over several lines and is not in quotes",
    "dropped-name": "a variable in `.env` has a name that /bin/sh does not pass on",
    "literal-dollar": "a value in `.env` has `$NAME`, which is not expanded",
    "unset-reference": "a value in `.env` has `${NAME}`, and nothing sets that variable",
    "escaped-dollar": "a value in `.env` has a backslash before `${…}`, which is expanded all the same",
    "unused-option": "an option of overmind's in `.overmind.env` has no counterpart here",
    "provider-unset": "a provider names a variable that is not set",
    "provider-is-url": "`REDIS_PROVIDER` is a URL instead of a variable's name",
    "provider-differs": "a provider names a variable whose value is not that of the URL it stands for",
    "required-variable": "`app.json` requires a variable that is not set",
    "missing-secret": "`app.json` has a secret made up that is not set",
    "unknown-formation": "the formation of `app.json` names a process type that the Procfile does not have",
    "long-budget": "the budget is longer than a dyno's",
    "missing-watchfiles": "files are to be watched, and what watches them is not installed",
}
"""The meaning of each finding of no process type; `accept` at the top of procrun.toml takes these."""

PROCESS_CODES = {
    "trailing-backslash": "the command ends in a `\\`, which does not continue a line of a Procfile",
    "odd-blank": "the command holds a character that looks like a blank and is none to the shell",
    "pasted-name": "the name of the process type begins with `Procfile`",
    "lost-newline": "the command holds what looks like the next entry's name and colon",
    "unset-variable": "the command uses a variable that nothing sets",
    "shell-syntax": "`/bin/sh` finds a syntax error in the command",
    "bash-only": "the command uses something of bash that `/bin/sh` does not have",
    "not-on-path": "the program is not found on `PATH`",
    "missing-program": "the file that the command runs does not exist",
    "not-executable": "the file that the command runs is not executable",
    "is-directory": "what the command runs is a directory",
    "not-built": "the file that the command runs is made by a build or an installation, and is not there",
    "crlf-script": "the script that the command runs has Windows line ends",
    "missing-interpreter": "the script that the command runs names an interpreter that is not there",
    "buffered-output": "what the program prints comes late, as it goes into a pipe",
    "unused-setting": "a setting of the process type has no effect on this platform or beside its other settings",
    "ttin-quiets-nothing": "TTIN is used to quiet a worker, which it does not",
    "no-wait": "a stop sequence leaves no time between two signals",
    "no-kill": "a stop sequence does not end in kill",
    "unused-accept": "a code in `accept` is not found any more",
}
"""The meaning of each finding of a process type; its own `accept` takes these."""

NOT_RUN = frozenset(
    {
        *("shell-syntax", "bash-only", "not-on-path", "missing-program", "not-executable", "is-directory", "not-built"),
        *("crlf-script", "missing-interpreter"),
    }
)
"""Those of them that say why a command ends with 127 or 126."""

SIMULATED_BUDGET = "simulated-budget"
"""What fits into a dyno's time and not into the simulated one: `check` notes it, `start` loses work by it."""

PROGRAM_CODES = {
    "timeout": "the program's own wait for its work does not fit into the time it has",
    "deadline": "a wrapper or a manager kills the program before it has ended its work",
    "unread": "the program's own wait for its work is computed and cannot be read",
    SIMULATED_BUDGET: "the program's own wait fits into a dyno's time, and not into the budget that is simulated here",
    "never-ends": "the stop sequence lacks the signal at which the program finishes its work",
    "deadly-signal": "a configured signal kills the program and its work",
    "term": "TERM alone is not the signal at which the program finishes its work",
    "dyno-term": "on heroku TERM reaches the program's children too, which die of it",
    "manager-signal": "what runs the program ends it by a signal at which it does not finish its work",
    "manager-reach": "what runs the program signals its children too, which die of it",
}
"""The same, of known programs: `timeout` is `sidekiq-timeout` for Sidekiq."""


def program_code(program: str, cause: str) -> str:
    """`sidekiq-timeout`, for one of PROGRAM_CODES."""
    return f"{program}-{cause}"


def refusal(code: str, programs: Iterable[str], of_process: bool) -> str | None:
    """Why `code` cannot be accepted, for a process type or at the top of the file; None where it can be.

    `programs` are the names of the known profiles.
    """
    of_programs = [program_code(program, cause) for program in programs for cause in PROGRAM_CODES]
    process_codes = [*PROCESS_CODES, *of_programs]
    known, elsewhere = (process_codes, APP_CODES) if of_process else (APP_CODES, process_codes)
    if code in known:
        return None
    if code in elsewhere:
        place = "stands at the top of the file, above the first [process.…]" if of_process else "is for [process.NAME]"
        return f"{plain(code)} {place}"
    otherwise = "; `procrun check` shows the code of each finding in brackets"
    return f"no finding is called {shown(code)}{did_you_mean(code, [*known, *elsewhere], otherwise)}"


def unaccepted(findings: Iterable[Finding], config: Config) -> list[Finding]:
    """The findings without those that `accept` in procrun.toml names."""
    return [finding for finding in findings if not _is_accepted(finding, config)]


def unused_accepts(findings: Iterable[Finding], config: Config, unknown: Container[str]) -> Iterator[Finding]:
    """A note for each accepted code that is not among `findings`, which are all that there are.

    The `unknown` process types are those whose program shows only when it runs: what is found of it then is left alone.
    """
    found = {(name, finding.code) for finding in findings for name in finding.processes or ("",)}
    for code in config.accept:
        if ("", code) not in found:
            yield _unused(code, f"{config.where}: accept", ())
    for name, process in config.processes.items():
        for code in process.accept or ():
            at_run_time = name in unknown and code not in PROCESS_CODES
            if (name, code) not in found and code != "unused-accept" and not at_run_time:
                yield _unused(code, process.places["accept"], (name,))


def lines(findings: Iterable[Finding]) -> list[str]:
    """The findings as lines; one with the same cause in several process types is one line, at the first of them."""
    grouped: dict[object, Finding] = {}
    for finding in findings:
        cause = finding._replace(where="", processes=()) if _is_at_entry(finding) else finding
        first = grouped.setdefault(cause, finding)
        others = [name for name in finding.processes if name not in first.processes]
        grouped[cause] = first._replace(processes=(*first.processes, *others))
    return [_line(finding) for finding in grouped.values()]


def _line(finding: Finding) -> str:
    """`Procfile:7: note: web, api: … [no-kill]`."""
    note = "note: " if finding.note else ""
    names = f"{', '.join(finding.processes)}: " if _is_at_entry(finding) else ""
    return f"{finding.where}: {note}{names}{finding.text} [{finding.code}]"


def _is_at_entry(finding: Finding) -> bool:
    """Whether its place is a line of the Procfile; a setting's place names the process type itself."""
    return bool(finding.processes) and finding.where.rpartition(":")[2].isdigit()


def _is_accepted(finding: Finding, config: Config) -> bool:
    if not finding.processes:
        return finding.code in config.accept
    given = [config.processes.get(name) for name in finding.processes]
    return all(process is not None and finding.code in (process.accept or ()) for process in given)


def _unused(code: str, where: str, processes: tuple[str, ...]) -> Finding:
    text = f"{code} is accepted and not found here; remove it if it is not needed any more"
    return Finding(where, text, "unused-accept", True, processes)
