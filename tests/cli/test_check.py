"""`procrun check`: what it says of a Procfile, an environment and commands, and with which exit status."""

import os
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procrun.plan.check import lint
from procrun.plan.findings import lines
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from tests.harness import Folder


def findings(timeout: float | None = None) -> list[str]:
    """The lines without their codes."""
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return [line.rpartition(" [")[0] for line in lines(lint(build(Wishes(timeout=timeout), environ)))]


# --- the command


def test_valid_procfile_is_said_to_be_so_on_stderr(folder: Folder) -> None:
    folder.procfile("web: true", "worker: sleep 9")
    made = folder.procrun("check")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "Valid procfile detected (web, worker)\n")


def test_findings_follow_with_their_places(folder: Folder) -> None:
    folder.procfile("web: nosuch-program -p $PORT", "oops", "worker: echo $UNSET_QUEUE")
    folder.write(".env", "A=1\noops\n")
    made = folder.procrun("check")
    assert made.stderr.splitlines() == [
        "Valid procfile detected (web, worker)",
        'Procfile:2: ignored: not `name: command`; missing colon after "oops"? [ignored-line]',
        '.env:2: ignored: "oops" has no `=`; write `oops=` to set it to nothing [missing-value]',
        "Procfile:1: web: nosuch-program is not found on PATH; install it, or correct the name [not-on-path]",
        "Procfile:3: worker: $UNSET_QUEUE is not set; set it in .env, or give a default: ${UNSET_QUEUE:-…} "
        "[unset-variable]",
    ]
    assert made.returncode == 0


def test_strict_fails_on_a_finding(folder: Folder) -> None:
    folder.procfile("web: nosuch-program")
    assert folder.procrun("check", "--strict").returncode == 1


def test_strict_is_content_where_there_is_no_finding(folder: Folder) -> None:
    folder.procfile("web: true")
    assert folder.procrun("check", "--strict").returncode == 0


@pytest.mark.parametrize(
    ("procfile", "env", "message"),
    [
        ("web: a\nweb: b", "", 'Procfile:2: "web" is in Procfile:1 already; rename one of the two'),
        ("web:", "", 'Procfile:1: no command after "web:"; write one, or remove the line'),
        ("we.b: a", "", 'Procfile:1: "we.b" is no name: letters, digits, `_` and `-` make one; "we-b" would do'),
        ("", "", "Procfile: the file is empty; write a line like `web: bin/server`"),
        ("web: a", "PORT=x", '.env:1: PORT: "x" is no port; give a number from 1 to 65535'),
        (
            "web: a",
            "REDIS_PROVIDER=NOT_SET_URL",
            ".env:1: REDIS_PROVIDER names NOT_SET_URL, which is not set; set NOT_SET_URL or remove REDIS_PROVIDER",
        ),
    ],
)
@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_fault_is_one_line_and_exit_status_2(
    folder: Folder, procfile: str, env: str, message: str, options: list[str]
) -> None:
    folder.write("Procfile", procfile)
    folder.write(".env", env)
    made = folder.procrun("check", *options)
    assert (made.returncode, made.stderr) == (2, f"procrun: {message}\n")


def test_nothing_is_started(folder: Folder) -> None:
    folder.procfile("web: touch ran")
    folder.procrun("check")
    assert sorted(os.listdir(folder.path)) == ["Procfile"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("$ab{}()'\"\\/~.;&|<>=:- sidekq#*?\t`é\udcff"), min_size=1))
@example("sidekiq -t inf")
@example("~nobody/x")
def test_any_command_is_checked_without_a_crash(folder: Folder, command: str) -> None:
    folder.write("Procfile", f"ok: true\nweb: a{command}\nworker: sidekiq {command}\n".encode(errors="surrogateescape"))
    findings()


# --- variables


@pytest.mark.parametrize(
    "command",
    [
        "echo $PORT $PS",
        "echo ${QUEUE:-low}",
        "echo '$QUEUE'",
        "QUEUE=low; echo $QUEUE",
        "for q in a b; do echo $q; done",
        "echo $SET_IN_FILE",
        "echo $HOME $PATH",
        '[ -n "$QUEUE" ] && echo $QUEUE || echo none',
        'test -z "$QUEUE" || echo $QUEUE',
        'if [ "$MODE" = fast ]; then echo $MODE; fi',
        'case "$MODE" in fast) echo $MODE;; esac',
        'echo $(test -n "$QUEUE" && echo $QUEUE)',
        "set -a; . ./.env.local; set +a; echo $FROM_THERE",
        'eval "$(ssh-agent)"; echo $SSH_AUTH_SOCK',
        "export $(cat .env.local); echo $FROM_THERE",
    ],
)
def test_variable_that_is_set_or_has_a_default_is_no_finding(folder: Folder, command: str) -> None:
    folder.write(".env", "SET_IN_FILE=1")
    folder.procfile(f"web: {command}")
    assert findings() == []


def test_unset_variable_is_named_once(folder: Folder) -> None:
    folder.procfile("a: echo $X $X", "b: echo ${X}")
    assert findings() == ["Procfile:1: a, b: $X is not set; set it in .env, or give a default: ${X:-…}"]


# --- programs


@pytest.mark.parametrize(
    "command",
    [
        "sh bin/x",
        f"{sys.executable} app.py",
        "bin/web --port 1",
        "./bin/web",
        "A=1 exec bin/web",
        "true && bin/web",
        "cd sub && ./deep",
        "cd sub && sh x",
        "node dist/main.js --version; true",
        "$HOME/bin/x",
        "export PATH=$PWD/vendor:$PATH; vendored",
        "tool",
        "while true; do nosuch; done",
    ],
)
def test_program_that_is_there_or_cannot_be_known_is_no_finding(folder: Folder, command: str) -> None:
    for name in ("bin/web", "sub/deep", "tools/tool"):
        folder.write(name, "#!/bin/sh\n").chmod(0o755)
    folder.write(".env", "PATH=tools:${PATH}")
    folder.procfile(f"web: {command}")
    assert findings() == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nosuch-program", "nosuch-program is not found on PATH; install it, or correct the name"),
        ("true && nosuch-program x", "nosuch-program is not found on PATH; install it, or correct the name"),
        ("A=1 nosuch-program", "nosuch-program is not found on PATH; install it, or correct the name"),
        ("bin/plain", "bin/plain is not executable; chmod +x bin/plain"),
        ("bin", "bin is not found on PATH; install it, or correct the name"),
        ("./bin", "./bin is a directory; name the program in it"),
        ("/nosuch/x", "/nosuch/x does not exist"),
        (
            "bin/crlf",
            "bin/crlf has Windows line ends, which the shell and the kernel take for part of a name; "
            "remove them: sed -i 's/\\r$//' bin/crlf",
        ),
        (
            "bin/bare",
            "bin/bare has Windows line ends, which the shell and the kernel take for part of a name; "
            "remove them: sed -i 's/\\r$//' bin/bare",
        ),
        (
            "sh bin/crlf -x",
            "bin/crlf has Windows line ends, which the shell and the kernel take for part of a name; "
            "remove them: sed -i 's/\\r$//' bin/crlf",
        ),
        (
            "bin/old",
            "bin/old begins with #!/nosuch/python -u, and /nosuch/python does not exist; install it, or correct "
            "that line",
        ),
        (
            "A=1 exec bin/env-old",
            "bin/env-old begins with #!/usr/bin/env -S nosuch-ruby -w, and nosuch-ruby does not "
            "exist; install it, or correct that line",
        ),
    ],
)
def test_program_that_cannot_start_is_a_finding(folder: Folder, command: str, message: str) -> None:
    folder.write("bin/plain", "#!/bin/sh\n")
    folder.write("bin/crlf", "#!/bin/sh\r\ntrue\r\n").chmod(0o755)
    folder.write("bin/bare", "echo 1\r\n").chmod(0o755)
    folder.write("bin/old", "#!/nosuch/python -u\n").chmod(0o755)
    folder.write("bin/env-old", "#!/usr/bin/env -S nosuch-ruby -w\n").chmod(0o755)
    folder.procfile("ok: true", f"web: {command}")
    assert findings() == [f"Procfile:2: web: {message}"]


def test_program_is_looked_for_in_the_folder_where_it_would_run(folder: Folder) -> None:
    folder.write("app/Procfile", "a: bin/here\nb: bin/there\n")
    folder.write("app/bin/here", "").chmod(0o755)
    folder.write("bin/there", "").chmod(0o755)
    made = folder.procrun("check", "-d", "app")
    root = folder.path / "app"
    assert made.stderr.splitlines()[1:] == [
        f"app/Procfile:2: b: bin/there does not exist in {root}; correct the name [missing-program]"
    ]


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\n", "#! /usr/bin/env sh\n", "#!/usr/bin/env -S A=1 sh -e\n", "", "echo\n"]
)
def test_script_that_can_be_run_is_no_finding(folder: Folder, script: str) -> None:
    folder.write("bin/x", script).chmod(0o755)
    folder.procfile("web: bin/x")
    assert findings() == []


def test_script_with_windows_line_ends_is_fine_where_its_interpreter_takes_them(folder: Folder) -> None:
    folder.write("app.py", "print(1)\r\n")
    folder.procfile(f"web: {sys.executable} app.py")
    assert findings() == []


@pytest.mark.parametrize(
    ("command", "file", "question"),
    [
        ("./target/release/x", "", "not built yet?"),
        ("dist/server", "", "not built yet?"),
        ("_build/prod/rel/x/bin/x start", "", "not built yet?"),
        ("./bin/server", "go.mod", "not built yet?"),
        ("bin/server -p $PORT", "Cargo.toml", "not built yet?"),
        (".venv/bin/flask run", "", "not installed yet?"),
        ("node_modules/.bin/vite", "", "not installed yet?"),
        ("./bin/server", "Gemfile", "correct the name"),
    ],
)
def test_program_that_a_build_makes_is_not_built_yet(folder: Folder, command: str, file: str, question: str) -> None:
    folder.write(file or "x", "")
    folder.procfile(f"web: {command}")
    program = command.split()[0]
    assert findings() == [f"Procfile:1: web: {program} does not exist in {folder.path}; {question}"]


@pytest.mark.parametrize(
    ("command", "file"), [("node dist/main.js -p 1", "dist/main.js"), ("java -jar target/x.jar", "target/x.jar")]
)
def test_file_that_a_build_makes_for_an_interpreter_is_a_note(folder: Folder, command: str, file: str) -> None:
    for name in ("node", "java"):
        folder.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)
    folder.write(".env", "PATH=bin:${PATH}")
    folder.procfile(f"web: {command}")
    assert findings() == [f"Procfile:1: note: web: {file} does not exist in {folder.path}; not built yet?"]
    folder.write(file, "")
    assert findings() == []


@pytest.mark.parametrize("command", ["ruby app.rb", "bundle exec ruby -w app.rb 1"])
def test_ruby_whose_output_would_come_at_its_end_is_a_note(folder: Folder, command: str) -> None:
    for name in ("ruby", "bundle"):
        folder.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)
    folder.write(".env", "PATH=bin:${PATH}")
    folder.write("app.rb", "puts 1\nsleep\n")
    folder.procfile(f"web: {command}")
    assert findings() == [
        "Procfile:1: note: web: Ruby keeps what it prints until it has 8 KiB or ends, as its output is a pipe; put "
        "`$stdout.sync = true` at the top of app.rb, or set pty = true"
    ]
    folder.write("procrun.toml", "[process.web]\npty = true\n")
    assert findings() == []
    (folder.path / "procrun.toml").unlink()
    folder.write("app.rb", "$stdout.sync = true\nputs 1\n")
    assert findings() == []


# --- providers


def test_provider_that_resolves_to_nothing_is_a_finding(folder: Folder) -> None:
    folder.write(".env", "MONGO_PROVIDER=MONGOHQ_URL")
    folder.procfile("web: true")
    assert findings() == [
        ".env:1: MONGO_PROVIDER names MONGOHQ_URL, which is not set; set MONGOHQ_URL or remove MONGO_PROVIDER"
    ]


# --- a worker's own time-out


@pytest.fixture
def sidekiq(folder: Folder) -> Folder:
    """A folder with a `sidekiq` and a `bundle` to find."""
    for name in ("sidekiq", "bundle"):
        folder.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)
    folder.write(".env", "PATH=bin:${PATH}")
    return folder


LOST = "KILL comes at 10 s and every job in flight is lost"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sidekiq -t 25", f"25 s for its jobs after TERM (-t 25); {LOST}; use -t 6, or a longer budget: "),
        ("sidekiq -t25", f"25 s for its jobs after TERM (-t 25); {LOST}; "),
        ("bundle exec sidekiq -q a -t 10 -c 5", f"10 s for its jobs after TERM (-t 10); {LOST}; "),
        ("exec bin/sidekiq --timeout=12", f"12 s for its jobs after TERM (-t 12); {LOST}; "),
        ("A=1 env B=2 bundle exec sidekiq --timeout 12", f"12 s for its jobs after TERM (-t 12); {LOST}; "),
        ("sidekiq -t ${SIDEKIQ_TIMEOUT:-30}", f"30 s for its jobs after TERM (-t 30); {LOST}; "),
        (
            "sidekiq",
            "25 s for its jobs after TERM (its default: -t is not given, and config/sidekiq.yml does not exist); "
            f"{LOST}; use -t 6, or a longer budget: ",
        ),
        ("sidekiq -t 8", "8 s for its jobs after TERM (-t 8); it may need 3 s more, and KILL comes at 10 s; "),
    ],
)
def test_worker_that_waits_longer_than_the_budget_is_a_finding(sidekiq: Folder, command: str, said: str) -> None:
    sidekiq.procfile(f"worker: {command}")
    (finding,) = findings()
    assert finding.replace("note: ", "").startswith(f"Procfile:1: worker: sidekiq waits {said}")


@pytest.mark.parametrize("command", ["sidekiq -t 6", "sidekiq -t 7", "sidekiq -t 0", "sidekiqmon"])
def test_worker_that_fits_is_no_finding(sidekiq: Folder, command: str) -> None:
    sidekiq.write("bin/sidekiqmon", "").chmod(0o755)
    sidekiq.procfile(f"worker: {command}")
    assert [finding for finding in findings() if "waits" in finding] == []


def test_cure_of_a_long_wait_cures(sidekiq: Folder) -> None:
    sidekiq.procfile("worker: sidekiq -t 25")
    (finding,) = findings()
    assert finding.endswith("use -t 6, or a longer budget: procrun start -t 28")
    assert findings(timeout=28.0) == []
    sidekiq.procfile("worker: sidekiq -t 6")
    assert findings() == []


def test_cure_is_a_longer_budget_alone_where_no_wait_would_fit(sidekiq: Folder) -> None:
    sidekiq.procfile("worker: sidekiq -t 6")
    (finding,) = findings(timeout=4.0)
    assert finding.endswith(
        "KILL comes at 4 s and every job in flight is lost; use a longer budget: procrun start -t 9"
    )


@pytest.mark.parametrize("command", ["sidekiq", "sidekiq -C config/sidekiq.yml", "sidekiq -C other.yml"])
def test_wait_in_the_workers_own_file_counts(sidekiq: Folder, command: str) -> None:
    for name in ("config/sidekiq.yml", "other.yml"):
        sidekiq.write(name, "---\n:concurrency: 5\n:timeout: 20\n")
    sidekiq.procfile(f"worker: {command}")
    (finding,) = findings()
    assert (
        f"waits 20 s for its jobs after TERM ({'other.yml' if 'other' in command else 'config/sidekiq.yml'})" in finding
    )


@pytest.mark.parametrize(
    "text",
    [":timeout: 6\n", "timeout: 6", ":timeout: 6\nproduction:\n  :timeout: 25\n"],
)
def test_wait_in_the_workers_own_file_that_fits_is_no_finding(sidekiq: Folder, text: str) -> None:
    sidekiq.write("config/sidekiq.yml", text)
    sidekiq.procfile("worker: sidekiq")
    assert findings() == []


def test_option_beats_the_workers_own_file(sidekiq: Folder) -> None:
    sidekiq.write("config/sidekiq.yml", ":timeout: 25\n")
    sidekiq.procfile("worker: sidekiq -t 6")
    assert findings() == []


def test_budget_of_the_command_line_is_the_one_that_counts(sidekiq: Folder) -> None:
    sidekiq.procfile("worker: sidekiq -t 25")
    assert sidekiq.procrun("check", "--strict", "-t", "28").returncode == 0
    assert sidekiq.procrun("check", "--strict", "-t", "24.9").returncode == 1
