"""Bad input is one line with its place and its cure, exit 2, and nothing is touched."""

import os

import pytest

from tests.harness import PYTHON, TERM, Folder, Run, free_base

SERVER = 'platform = "server"\n'
MANIFEST = f'{SERVER}metadata = ".cloud66/manifest.yml"\n'
WORKER = "[process.worker]\n"
AT = "procrun.toml: process.worker"

TOML = {
    "unknown signal": (
        f'{SERVER}{WORKER}stop_sequence = "tsp, 120, kill"',
        f'{AT}.stop_sequence: "tsp" is no signal; did you mean "tstp"?',
    ),
    "unknown restart signal": (
        f'{SERVER}{WORKER}restart_signal = "usr3"',
        f'{AT}.restart_signal: "usr3" is no signal; did you mean "usr2"?',
    ),
    "signal nothing acts on": (
        f'{SERVER}{WORKER}restart_signal = "kill"',
        f"{AT}.restart_signal: no program can act on KILL or STOP; name a signal that it restarts at, as in usr1, "
        "usr2 or hup",
    ),
    "odd sequence": (
        f'{SERVER}{WORKER}stop_sequence = "term, kill"',
        f'{AT}.stop_sequence: "kill" stands after "term", where a wait belongs; give the seconds between them',
    ),
    "sequence without kill": (
        f'{SERVER}{WORKER}stop_sequence = "term, 30"',
        f"{AT}.stop_sequence: does not end in kill, so what ignores it would stay; add seconds and kill, as in term, "
        "10, kill, or set no_kill = true in procrun.toml",
    ),
    "no wait": (
        f'{SERVER}{WORKER}stop_sequence = "term, 1m, kill"',
        f'{AT}.stop_sequence: "1m" is no wait; give seconds from 0 to 1000000, as in 30 or 0.5',
    ),
    "odd sequence where it is not used": (
        f'{WORKER}stop_sequence = "term, kill"',
        f'{AT}.stop_sequence: "kill" stands after "term", where a wait belongs; give the seconds between them',
    ),
    "cycle": (
        f'{WORKER}after = ["web"]\n[process.web]\nafter = ["worker"]',
        f"{AT}.after: worker → web → worker is a cycle, so none of them can start first; remove one `after`",
    ),
    "unknown process in after": (
        f'{WORKER}after = ["wbe"]',
        f'{AT}.after: no process type "wbe"; there are: web, worker; did you mean "web"?',
    ),
    "unknown process": (
        "[process.wroker]\nno_kill = true",
        'procrun.toml: process.wroker: no such process type; there are: web, worker; did you mean "worker"?',
    ),
    "unknown profile": (
        f'{WORKER}profile = "sidekik"',
        f'{AT}.profile: no profile "sidekik"; did you mean "sidekiq"?',
    ),
    "unknown key": (f"{WORKER}stop_sequense = 1", f'{AT}.stop_sequense: unknown key; did you mean "stop_sequence"?'),
    "unknown key at the top": ("platfrom = 1", 'procrun.toml: platfrom: unknown key; did you mean "platform"?'),
    "key in the wrong place": (
        'stop_sequence = "term, 10, kill"',
        "procrun.toml: stop_sequence: unknown key; it belongs to a process type: put it under [process.NAME]",
    ),
    "unknown platform": (
        'platform = "servre"',
        'procrun.toml: platform: takes one of local, heroku, server; this is "servre"',
    ),
    "wrong type": (
        'restart_budget = "10"',
        "procrun.toml: restart_budget: takes seconds, a number above 0 and up to 1000000, as in 10 or 0.5; "
        'this is "10"',
    ),
    "wrong type of a flag": (
        f'{WORKER}restart_on_deploy = "no"',
        f'{AT}.restart_on_deploy: takes true or false, without quotes; this is "no"',
    ),
    "no TOML": (
        "platform = server",
        "procrun.toml:1:12: is no TOML: Invalid value; text stands in quotes, tables in brackets, as in "
        '`platform = "server"` and `[process.worker]`',
    ),
    "budget that leaves nothing": (
        "total_budget = 5",
        "procrun.toml: total_budget: 5 s leave no time beside the 10 s of store_budget",
    ),
    "odd formation": (
        'formation = "web"',
        'procrun.toml: formation: "web" is not TYPE=NUMBER, as in web=2,worker=1',
    ),
    "no manifest": (
        MANIFEST,
        ".cloud66/manifest.yml: does not exist; correct `metadata` in procrun.toml",
    ),
}
YAML = {
    "no YAML": ("a: [", ".cloud66/manifest.yml:1:5: is no YAML"),
    "unknown signal": (
        "procfile_metadata:\n  worker:\n    stop_sequence: foo, 3, kill\n",
        '.cloud66/manifest.yml: procfile_metadata.worker.stop_sequence: "foo" is no signal; ',
    ),
    "unknown key": (
        "procfile_metadata:\n  worker:\n    stop_sequense: term, 3, kill\n",
        ".cloud66/manifest.yml: procfile_metadata.worker.stop_sequense: unknown key; did you mean",
    ),
    "other environment": (
        "staging:\n  procfile_metadata:\n    worker:\n      stop_sequence: term, 3, kill\n",
        ".cloud66/manifest.yml: ",
    ),
}


def refused(folder: Folder, *arguments: str) -> str:
    """What is said, one line, of something that must not even make a folder."""
    before = sorted(os.listdir(folder.path))
    made = folder.procrun(*arguments)
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr.startswith("procrun: ")
    assert made.stderr.count("\n") == 1
    assert sorted(os.listdir(folder.path)) == before
    return made.stderr.removeprefix("procrun: ").removesuffix("\n")


@pytest.mark.parametrize("verb", ["start", "check"])
@pytest.mark.parametrize(("toml", "message"), TOML.values(), ids=TOML)
def test_fault_in_the_configuration(folder: Folder, verb: str, toml: str, message: str) -> None:
    folder.write("procrun.toml", f"{toml}\n")
    folder.procfile("web: touch ran", "worker: touch ran")
    assert refused(folder, verb) == message


@pytest.mark.parametrize(("yaml", "message"), YAML.values(), ids=YAML)
def test_fault_in_the_manifest(folder: Folder, yaml: str, message: str) -> None:
    folder.write("procrun.toml", MANIFEST)
    folder.write(".cloud66/manifest.yml", yaml)
    folder.procfile("web: touch ran", "worker: touch ran")
    assert refused(folder, "start").startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("start", "wroker"), 'Procfile: no process "wroker"; there are: web, worker; did you mean "worker"?'),
        (("start", "-x", "wroker"), '-x: no process "wroker"; there are: web, worker; did you mean "worker"?'),
        (("start", "-m", "wroker=1"), '-m: no process type "wroker"; there are: web, worker; did you mean "worker"?'),
        (
            ("start", "--platform", "sever"),
            "Invalid value for '--platform': \"sever\" is no platform; there are: local, heroku, server; "
            "`procrun start --help` tells more",
        ),
    ],
)
def test_fault_on_the_command_line(folder: Folder, arguments: tuple[str, ...], message: str) -> None:
    folder.procfile("web: touch ran", "worker: touch ran")
    assert refused(folder, *arguments) == message


# --- a run that goes on as before


LISTENER = """\
import signal, time
for name in ("SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGTTIN"):
    signal.signal(getattr(signal, name), lambda number, frame: print("got", signal.Signals(number).name, flush=True))
print("up", flush=True)
while True:
    time.sleep(1)
"""


def running(folder: Folder, toml: str) -> Run:
    folder.write("listener.py", LISTENER)
    folder.write("procrun.toml", toml)
    folder.procfile(f"web: {PYTHON} listener.py", f"worker: {PYTHON} listener.py")
    run = folder.start("-p", str(free_base()))  # a server of another test on 5000 would make web ready meanwhile
    run.wait_for(r"\| up", count=2)
    return run


def states(folder: Folder) -> list[list[str]]:
    return [line.split()[:4] for line in folder.procrun("ps").stdout.splitlines()[1:]]


SERVER_ONLY = 'is for platform = "server" in procrun.toml, and this run is on'


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_verbs_that_the_platform_has_not_are_refused_and_the_run_goes_on(folder: Folder, platform: str) -> None:
    run = running(folder, f'platform = "{platform}"\n')
    before = states(folder)
    said = {
        words: refused(folder, *words.split())
        for words in ("quiet worker", "signal USR1 worker", "deploy", "deploy -- touch ran")
    }
    assert states(folder) == before
    assert said["quiet worker"].startswith(f"quiet {SERVER_ONLY} {platform}: ")
    assert said["deploy"].startswith(f"deploy {SERVER_ONLY} {platform}: `procrun restart` restarts")
    assert said["deploy -- touch ran"] == said["deploy"]
    assert ("USR1" in said["signal USR1 worker"]) or platform == "heroku"
    run.finish(TERM)
    assert "got" not in run.output


def test_a_worker_that_no_signal_quiets_is_told_what_does(folder: Folder) -> None:
    run = running(folder, SERVER + '[process.worker]\nprofile = "rq"\n')
    assert "worker.1: no signal quiets rq; `rq suspend` does" in refused(folder, "quiet", "worker")
    run.finish(TERM)


def test_a_dyno_gets_no_signal_at_all_and_elsewhere_what_it_catches(folder: Folder) -> None:
    run = running(folder, 'platform = "heroku"\n')
    assert "no signals but TERM and KILL" in refused(folder, "signal", "TTIN", "worker")
    run.finish(TERM)
    run = running(folder, "")
    assert folder.procrun("signal", "TTIN", "worker").returncode == 0
    run.wait_for(r"worker\.1 +\| got SIGTTIN")
    run.finish(TERM)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quiet", "wroker"), 'no process "wroker" here'),
        (("restart", "wroker"), 'no process "wroker" here'),
        (("restart", "worker.2"), 'no process "worker.2" here'),
        (("stop", "web", "wroker"), 'no process "wroker" here'),
        (("signal", "TTIN", "wroker"), 'no process "wroker" here'),
        (("deploy", "wroker"), 'no process "wroker" here'),
        (("deploy", "-x", "wroker"), 'no process "wroker" here'),
        (("scale", "wroker=2"), 'Procfile: no process type "wroker"; there are: web, worker; did you mean "worker"?'),
        (("scale", "worker=x"), 'scale: "worker=x" is not TYPE=NUMBER, as in web=2'),
        (("signal", "TREM", "worker"), 'signal: "TREM" is no signal; did you mean "term"?'),
        (("quiet", "worker"), "worker.1: no signal makes this program quiet; nothing was sent"),
        (("signal", "HUP", "worker"), "worker.1: worker.1 does not catch HUP and would die of it; --force sends it"),
    ],
)
def test_fault_in_a_verb_touches_nothing(folder: Folder, arguments: tuple[str, ...], message: str) -> None:
    run = running(folder, SERVER)
    before = states(folder)
    said = refused(folder, *arguments)
    assert said.startswith(message)
    if "wroker" in arguments[-1]:
        assert said.endswith('did you mean "worker"?')
    assert states(folder) == before
    run.finish(TERM)
    assert "got" not in run.output


def test_fault_in_a_new_configuration_leaves_the_run_on_the_old_one(folder: Folder) -> None:
    run = running(folder, SERVER)
    before = states(folder)
    folder.write("procrun.toml", f'{SERVER}{WORKER}stop_sequence = "term"\n')
    made = folder.procrun("deploy", "worker")
    assert made.returncode == 2
    assert f"{AT}.stop_sequence: does not end in kill" in made.stderr
    assert "nothing was quieted, all runs on" in made.stderr
    assert states(folder) == before  # nothing of it could be quieted
    run.finish(TERM)
