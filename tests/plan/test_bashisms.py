"""What /bin/sh cannot do with a command, and the cure that is told; and that the shell itself is asked."""

from pathlib import Path

import pytest

from procrun.plan import bashisms
from procrun.plan.bashisms import faults
from procrun.plan.programs import command_line
from tests.harness import Folder
from tests.programs import need

BASH_ONLY = [
    ("source venv/bin/activate && gunicorn", "`source`", "write `. venv/bin/activate`"),
    ('source "$HOME/x/activate" && gunicorn', "`source`", 'write `. "$HOME/x/activate"`'),
    ("source env && gunicorn", "`source`", "write `. ./env`"),
    ("[[ -n $X ]] && exec puma", "`[[ … ]]`", "write `[ … ]`, or `bash -c '…'`"),
    ("if [[ -n $X ]]; then puma; fi", "`[[ … ]]`", "write `[ … ]`, or `bash -c '…'`"),
    ("rails s &> log/x", "`&>`", "write `> FILE 2>&1`, or it runs in the background"),
    ("rails s &>> log/x", "`&>>`", "write `> FILE 2>&1`, or it runs in the background"),
    ("rails s >& log/x", "`>& log/x`", "write `> log/x 2>&1`"),
    ("diff <(echo a) <(echo b)", "`<( … )`", "write `bash -c '…'`"),
    ("work {1..3}", "`{1..3}`", "write the words one by one"),
    ("a=(1 2); echo ${a[0]}", "an array", "write `bash -c '…'`"),
    ('echo "${a[@]}"', "an array", "write `bash -c '…'`"),
    ("function f { puma; }; f", "`function`", "write `f() { …; }`"),
    ("pushd app && puma", "`pushd`", "write `cd`"),
    (r"puma -t $'a\tb'", "`$'…'`", "write `\"$(printf '…')\"`"),
    ("cat <<< hi", "`<<<`", "write `echo … |` before the command"),
    ("puma |& tee log", "`|&`", "write `2>&1 |`"),
    ('[ "$A" == a ] && puma', "`==` in `[ ]`", "write `=`"),
    ("test a == a && puma", "`==` in `[ ]`", "write `=`"),
    ("echo ${A^^}", "`${A^^}`", "write `bash -c '…'`"),
    ('echo "${A//a/b}"', "`${A//a/b}`", "write `bash -c '…'`"),
    ("echo ${A:0:2}", "`${A:0:2}`", "write `bash -c '…'`"),
    ("echo ${!A}", "`${!A}`", "write `bash -c '…'`"),
    ("((1)) && puma", "`(( … ))`", "write `[ … ]` with -lt, -gt and -eq"),
    ("for ((i=0;i<3;i++)); do puma; done", "`for ((…))`", "write `bash -c '…'`"),
    ("set -eo pipefail; puma | tee log", "`set -o pipefail`", "write `bash -c '…'`"),
    ("puma & sidekiq & wait -n", "`wait -n`", "write `bash -c '…'`"),
    ("echo -e 'a'", "`echo -e`", "write `printf`"),
    ("exec -a web puma", "`exec -a`", "write `bash -c '…'`"),
    ("declare A=1; puma", "`declare`", "write `bash -c '…'`"),
    ("sh -c '[[ -n $X ]] && puma'", "`[[ … ]]`", "write `[ … ]`, or `bash -c '…'`"),
]

FINE = [
    "gunicorn 'app:create_app()'",
    "bash -c '[[ a ]] && source x/y'",
    "python -c \"print('source x')\"",
    'echo "[[ a ]]"',
    "ssh host source x",
    "cd app && bundle exec puma -p ${PORT:-3000} -e \"$RACK_ENV\" | tee 'log x'",
    "( sidekiq & rails s )",
    "trap 'echo bye' EXIT; celery -A x worker",
    "while true; do x; sleep 1; done",
    "x # it's a comment [[",
    "nodemon --watch src/**/*.{js,ts}",
    "A=$(git rev-parse HEAD) rails s",
    "{ a; b; }",
    "rails s > log/x 2>&1",
    "rails s 2>&1 >&2",
    "echo ${A:-0} ${A:=1} ${A:+x} ${A%.x} ${#A}",
    "echo $((1 + 1)) $(($X << 2))",
    "a;",
    "read -p x y",
]


@pytest.fixture
def dash(monkeypatch: pytest.MonkeyPatch) -> None:
    """/bin/sh as Debian has it, whatever it is on this machine."""
    use(monkeypatch, need("dash"))


def use(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(bashisms, "SHELL", path)
    bashisms._succeeds.cache_clear()
    bashisms._which.cache_clear()


@pytest.mark.usefixtures("dash")
@pytest.mark.parametrize(("command", "name", "cure"), BASH_ONLY)
def test_what_only_bash_has_is_told_with_its_cure(command: str, name: str, cure: str) -> None:
    (found,) = faults(command)
    assert found == ("bash-only", f"{name} is bash's, and {bashisms.SHELL} (dash) does not have it; {cure}")


@pytest.mark.usefixtures("dash")
def test_each_probe_fails_in_dash_and_succeeds_in_bash(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = [feature.probe for feature in bashisms.FEATURES]
    assert [probe for probe in probes if bashisms._succeeds(probe)] == []
    use(monkeypatch, need("bash"))
    assert [probe for probe in probes if not bashisms._succeeds(probe)] == []


@pytest.mark.usefixtures("dash")
@pytest.mark.parametrize("command", FINE)
def test_what_every_shell_runs_is_no_finding(command: str) -> None:
    assert list(faults(command)) == []


@pytest.mark.parametrize("command", [command for command, _, _ in BASH_ONLY])
def test_nothing_is_said_where_the_shell_has_it(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    use(monkeypatch, need("bash"))
    assert list(faults(command)) == []


@pytest.mark.usefixtures("dash")
@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("gunicorn app:create_app()", "Syntax error: \"(\" unexpected; put 'app:create_app()' in quotes"),
        ("grep -E (a|b) x", "Syntax error: \"(\" unexpected; put '(a|b)' in quotes"),
        ("echo 'a", "Syntax error: Unterminated quoted string; close the quotes"),
        ("puma &&", "Syntax error: end of file unexpected"),
        ("a; ; b", 'Syntax error: ";" unexpected'),
        ("if true; then puma", 'Syntax error: end of file unexpected (expecting "fi")'),
        ("echo $(ls", 'Syntax error: end of file unexpected (expecting ")")'),
        ("sh -c 'gunicorn app:create_app()'", "Syntax error: \"(\" unexpected; put 'app:create_app()' in quotes"),
    ],
)
def test_syntax_error_is_told_as_the_shell_tells_it(command: str, text: str) -> None:
    assert list(faults(command)) == [("shell-syntax", f"{bashisms.SHELL} cannot read the command: {text}")]


def test_the_command_is_not_run(folder: Folder) -> None:
    for command in ("touch ran; (", "echo $(touch ran) &> x", ": ${A:=$(touch ran)}; [[ a ]]"):
        list(faults(command))
    assert not (folder.path / "ran").exists()


def test_shell_that_gives_no_answer_is_waited_for_no_longer_than_its_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stuck = tmp_path / "sh"
    stuck.write_text("#!/bin/sh\nexec sleep 1000\n")
    stuck.chmod(0o755)
    use(monkeypatch, str(stuck))
    monkeypatch.setattr(bashisms, "PATIENCE", 0.1)
    assert list(faults("gunicorn app:create_app()")) == []


@pytest.mark.parametrize("command", [command for command, _, _ in BASH_ONLY])
def test_exec_changes_nothing_but_what_is_behind_it(command: str) -> None:
    """Where `exec` is put before such a command, it is the one that bash would have run there."""
    assert command_line.exec_line(command).replace("exec ", "", 1) in (command, command.replace("exec ", "", 1))


def test_start_tells_what_check_tells(folder: Folder) -> None:
    folder.procfile("web: gunicorn app:create_app()")
    warning = "Procfile:1: web: /bin/sh cannot read the command: "
    assert warning in folder.procrun("check").stderr
    assert f"procrun: {warning}" in folder.procrun("start").stderr
