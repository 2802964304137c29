"""A rewritten line does what the written one does, in each shell that is here, and its program leads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procrun.plan.programs.command_line import exec_line, program, variables, words

SHELLS = [found for found in map(shutil.which, ("dash", "bash", "busybox")) if found]

# Prints its arguments, what the line may have assigned, its pid, and reads nothing.
SHOW = f"""#!{sys.executable} -SE
import os, sys
print(sys.argv[1:], os.environ.get("A"), os.environ.get("B"), os.path.basename(os.getcwd()))
print("on stderr", file=sys.stderr)
sys.exit(int(os.environ.get("RC", "7")))
"""
SHOW_PID = "#!/bin/sh\necho $$\n"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs `bin/show` and `bin/pid`, which are also in `bin` of its folder `app`."""
    root = tmp_path_factory.mktemp("app")
    for folder in (root / "bin", root / "app" / "bin"):
        folder.mkdir(parents=True)
        for name, text in (("show", SHOW), ("pid", SHOW_PID)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
    (root / "lib.sh").write_text("show() { echo 'a function'; }\n")
    return root


def environment(app: Path) -> dict[str, str]:
    path = f"{app / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(app), "X": "1 2", "EMPTY": "", "PORT": "5000"}


def outcome(shell: str, line: str, app: Path) -> tuple[int, str, str]:
    """Exit status, stdout, and the files written, of one line in a fresh state of `app`."""
    written = app / "written"
    written.unlink(missing_ok=True)
    argv = [shell, "sh", "-c", line] if shell.endswith("busybox") else [shell, "-c", line]
    done = subprocess.run(
        argv, cwd=app, env=environment(app), stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    text = written.read_bytes() if written.exists() else b""
    for word in (b"exec: ", b"command "):  # how the shells say that there is no such program
        text = text.replace(word, b"")
    return done.returncode, done.stdout.decode(errors="replace"), text.decode(errors="replace")


LED_BY_THE_PROGRAM = [
    ("show a b", "exec show a b"),
    ("  show a", "  exec show a"),
    ("show $X ${PORT} ${NONE:-d}", "exec show $X ${PORT} ${NONE:-d}"),
    ("show ${NONE:-${EMPTY:-localhost}}", "exec show ${NONE:-${EMPTY:-localhost}}"),
    ('show -p ${NONE:="3000"}', 'exec show -p ${NONE:="3000"}'),
    ('A=1 B="x y" show $X', 'A=1 B="x y" exec show $X'),
    ("A=1 B=$A show $A", "A=1 B=$A exec show $A"),
    ("A='*' show", "A='*' exec show"),
    ("cd app && show", "cd app && exec show"),
    ("cd app && A=1 show", "cd app && A=1 exec show"),
    ("cd nowhere && show", "cd nowhere && exec show"),
    ("cd nowhere; show", "cd nowhere; exec show"),
    ("unset X && show $X", "unset X && exec show $X"),
    ("unset X; show $X", "unset X; exec show $X"),
    ("export A=1; show", "export A=1; exec show"),
    ("A=1; show $A", "A=1; exec show $A"),
    ("A=1 && show $A", "A=1 && exec show $A"),
    (": ${A:=x}; show $A", ": ${A:=x}; exec show $A"),
    ('rm -f nothing; RC=0 bin/show -b "${W:-127.0.0.1}"', None),
    ("show a && show b", "show a && exec show b"),
    ("RC=0 show a && show b", "RC=0 show a && exec show b"),
    ("show a ; show b", "show a ; exec show b"),
    ("true && false; show b", "true && false; exec show b"),
    ("show;", "exec show;"),
    ("show ; # and no more", "exec show ; # and no more"),
    ("show a # it's a comment", "exec show a # it's a comment"),
    ("show a#b", "exec show a#b"),
    ("show > written 2>&1", "exec show > written 2>&1"),
    ("show 1>> written 2>> written", "exec show 1>> written 2>> written"),
    ("> written show a", "> written exec show a"),
    ("A=1 >written B=2 show", "A=1 >written B=2 exec show"),
    ("show < lib.sh", "exec show < lib.sh"),
    ("show > nowhere/x", "exec show > nowhere/x"),
    ("show QUEUE=*", "exec show QUEUE=*"),
    ("env A=* show", "exec env A=* show"),
    ("sh -c 'cd app && exec show'", "exec sh -c 'cd app && exec show'"),
    ('sh -c "A=${PORT} show a"', 'exec sh -c "A=${PORT} show a"'),
    ("$HOME/bin/show $X", "exec $HOME/bin/show $X"),
    ('"$HOME"/bin/show "$X"', 'exec "$HOME"/bin/show "$X"'),
    ("${HOME}/bin/show", "exec ${HOME}/bin/show"),
    ("~/bin/show ~", "exec ~/bin/show ~"),
    ('"show" "a b" c\\ d', 'exec "show" "a b" c\\ d'),
    ("s\\how 'it is' \"it's\"", "exec s\\how 'it is' \"it's\""),
    ("show $(echo a b) `echo c` \"$(echo 'd  e')\"", None),
    ("show $((1 + 2)) $(echo $(echo x))", None),
    ("A=$(echo 1) show", "A=$(echo 1) exec show"),
    ("$(echo bin)/show", "exec $(echo bin)/show"),
    ("show \\$X '$X' \"\\$X\"", None),
    ("show {a,b} [a-z]* if do", "exec show {a,b} [a-z]* if do"),
    ("PATH=app/bin:$PATH show", "PATH=app/bin:$PATH exec show"),
    ("no-such-program a", "exec no-such-program a"),
    ("no-such-program; show a", "no-such-program; exec show a"),
    ("./bin", "exec ./bin"),
    ("./lib.sh", "exec ./lib.sh"),
    ("exit 3; show", "exit 3; exec show"),
    ("test -f lib.sh && show", "test -f lib.sh && exec show"),
    ("[ -f nothing ] && show", "[ -f nothing ] && exec show"),
    ("umask 022 && show", "umask 022 && exec show"),
    ("pkill -f no-such-thing-here ; show", "pkill -f no-such-thing-here ; exec show"),
    ("show \u00e9\u2028x", "exec show \u00e9\u2028x"),
]

LEFT_AS_WRITTEN = [
    "",
    "   ",
    "# nothing",
    "A=1",
    "> written",
    "show a | cat",
    "show a || show b",
    "RC=0 show a || show b",
    "true && show a || show b",
    '[ "$X" = "true" ] && exit 0 || show',
    "show a & wait",
    "(show a)",
    "(cd app; show)",
    "{ show a; }",
    "! show a",
    "if true; then show a; fi",
    "for i in 1 2; do show $i; done",
    "while false; do show; done",
    "case $X in *) show a;; esac",
    "show() { echo in a function; }; show",
    "f() { echo f; }; f",
    "exec show a",
    "cd app && exec show",
    "cd app",
    "echo a",
    "echo a && printf b",
    "printf 'a b'",
    "test -f lib.sh",
    "[ -f lib.sh ]",
    "true",
    ":",
    "exit 4",
    "command show a",
    "command -v show",
    "eval show a",
    "eval 'show a'",
    ". ./lib.sh",
    ". ./lib.sh; show",
    ". ./lib.sh && show a",
    "eval 'show() { echo a function; }'; show",
    "trap 'echo bye' EXIT; show a",
    "trap 'echo bye' EXIT && RC=0 show a",
    "alias show=echo; show a",
    "set -e; show a; show b",
    "set -- a b; show $1",
    "set +x; show",
    "readonly A=1; show",
    '"cd" app',
    "\\cd app",
    "$CMD show a",
    "$X",
    '"$CMD"',
    "${CMD} show",
    "${CMD:-bin/show}",
    "$(echo show) a",
    "'' a",
    "b*n/show",
    "-x",
    "%1",
    "cat <<x",
    "time show",
    "show 'a",
    'show "a',
    "show ${X",
    "show $(echo a",
    "show `echo a",
    "show a\\",
    "show >",
    "show &&",
    "&& show",
    "; show",
    "show ;; show",
    "show ; ; show",
    "show a\nshow b",
    "cd\\\n app",
    "show $(echo a # )\n)",
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", [line for line, _ in LED_BY_THE_PROGRAM] + LEFT_AS_WRITTEN)
def test_line_does_what_the_written_one_does(shell: str, command: str, app: Path) -> None:
    assert outcome(shell, exec_line(command), app) == outcome(shell, command, app)


@pytest.mark.parametrize(("command", "expected"), LED_BY_THE_PROGRAM)
def test_exec_stands_before_the_last_program(command: str, expected: str | None) -> None:
    line = exec_line(command)
    assert line == expected if expected else line.replace("exec ", "", 1) == command != line


@pytest.mark.parametrize("command", LEFT_AS_WRITTEN)
def test_unclear_line_stays_as_written(command: str) -> None:
    assert exec_line(command) == command


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "command",
    [
        "pid",
        "A=1 pid $X",
        "cd app && pid",
        "cd app && A=1 pid",
        "unset X; pid",
        "export A=1 && pid > written && pid",
        "pid 2>&1 # comment",
        "rm -f nothing; A=1 bin/pid",
        "$HOME/bin/pid",
        "env A=1 pid",
        "pid `echo a` $(echo b)",
        "sh -c 'cd app && exec pid'",
    ],
)
def test_program_becomes_the_leader(shell: str, command: str, app: Path) -> None:
    argv = [shell, "sh", "-c"] if shell.endswith("busybox") else [shell, "-c"]
    with subprocess.Popen([*argv, exec_line(command)], cwd=app, env=environment(app), stdout=subprocess.PIPE) as leader:
        assert leader.stdout
        assert int(leader.stdout.read()) == leader.pid


# Real entries, with the programs' names as they are: only the text is looked at.
@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("bundle exec sidekiq -C config/sidekiq.yml", "exec bundle exec sidekiq -C config/sidekiq.yml"),
        (
            "java -Dserver.port=$PORT $JAVA_OPTS -jar a.jar",
            "exec java -Dserver.port=$PORT $JAVA_OPTS -jar a.jar",
        ),
        (
            "PORT=${PORT:-3000} yarn start -p ${PORT:-3000}",
            "PORT=${PORT:-3000} exec yarn start -p ${PORT:-3000}",
        ),
        ("env QUEUE=* bundle exec rake resque:work", "exec env QUEUE=* bundle exec rake resque:work"),
        ('bin/rails s -p ${PORT:="3000"}', 'exec bin/rails s -p ${PORT:="3000"}'),
        (
            "bin/start-nginx bin/start-pgbouncer newrelic-admin run-program uwsgi uwsgi.ini",
            "exec bin/start-nginx bin/start-pgbouncer newrelic-admin run-program uwsgi uwsgi.ini",
        ),
        (
            "pkill -f mailcatcher ; bundle exec mailcatcher --foreground",
            "pkill -f mailcatcher ; exec bundle exec mailcatcher --foreground",
        ),
        (
            "[ \"$X\" = 'true' ] && exit 0 || bundle exec puma",
            "[ \"$X\" = 'true' ] && exit 0 || bundle exec puma",
        ),
        ("sudo mongod", "exec sudo mongod"),
        (
            "bench worker --queue short 1>> logs/worker.log 2>> logs/worker.error.log",
            "exec bench worker --queue short 1>> logs/worker.log 2>> logs/worker.error.log",
        ),
        (
            'sh -c "MB_JETTY_PORT=${PORT} java -jar m.jar"',
            'exec sh -c "MB_JETTY_PORT=${PORT} java -jar m.jar"',
        ),
        (
            'rm -f tmp/pids/server.pid; RAILS_LOG=1 bin/rails server -b "${WEB_BIND:-127.0.0.1}"',
            'rm -f tmp/pids/server.pid; RAILS_LOG=1 exec bin/rails server -b "${WEB_BIND:-127.0.0.1}"',
        ),
        ("sleep 10 && bin/kafka-server-start x", "sleep 10 && exec bin/kafka-server-start x"),
        (
            "postgres -D ~/Library/Application\\ Support/Postgres93/var",
            "exec postgres -D ~/Library/Application\\ Support/Postgres93/var",
        ),
        (
            "celery -A a worker & celery -A a beat & wait -n",
            "celery -A a worker & celery -A a beat & wait -n",
        ),
        ("{{ python }} worker.py", "{{ python }} worker.py"),
    ],
)
def test_real_entry_is_led_by_its_program(command: str, line: str) -> None:
    assert exec_line(command) == line


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("puma -p 3000", ("puma", "-p", "3000")),
        ("A=1 B='x y' bundle exec puma -p $PORT", ("bundle", "exec", "puma", "-p", "$PORT")),
        ("cd app && exec puma", ("puma",)),
        ("exec puma", ("puma",)),
        ("exec -a x puma", ("exec", "-a", "x", "puma")),
        ("exec > log", ()),
        ("trap '' HUP; 'my puma' \"a b\" c\\ d", ("my puma", "a b", "c d")),
        ("sh -c 'cd sites && exec puma'", ("sh", "-c", "cd sites && exec puma")),
        ("redis-server --port ${P:-1} >> log 2>&1 # c", ("redis-server", "--port", "${P:-1}")),
        ('rails s -b "${B:-a b}" ""', ("rails", "s", "-b", "${B:-a b}", "")),
        ("x \"\\$a \\n\" '\\n'", ("x", "$a \\n", "\\n")),
        ("time puma", ("time", "puma")),
        ("puma | tee log", ()),
        ("puma || true", ()),
        ("a & b", ()),
        ("if a; then b; fi", ()),
        ("puma 'a", ()),
        ("", ()),
    ],
)
def test_words_are_those_of_the_last_command(command: str, expected: tuple[str, ...]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("puma -p 1", "puma"),
        ("A=1 bin/puma", "bin/puma"),
        ("cd app && exec 'my puma'", "my puma"),
        ("~/bin/x", "~/bin/x"),
        ("cd app", None),
        ("echo a", None),
        ("$HOME/bin/x", None),
        ("`which x`", None),
        ("b*n/x", None),
        ("{{ python }} x", None),
        ("PATH=bin:$PATH puma", None),
        ("export PATH=bin; puma", None),
        ("LD_LIBRARY_PATH=x puma", "puma"),
        (". venv/bin/activate && gunicorn", None),
        ('eval "$(rbenv init -)"; puma', None),
        ("a | b", None),
        ("a 'b", None),
        ("", None),
    ],
)
def test_program_is_the_first_word_where_it_can_be_told(command: str, expected: str | None) -> None:
    assert program(command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("x $A ${B} $A", ("A", "B")),
        ('x "$A" -D$B-$C', ("A", "B", "C")),
        ("x '$A' \\$B \"\\$C\" \"'$D'\"", ("D",)),
        ("x ${A:-d} ${B-d} ${C:=d} ${D=d} ${E:+d} ${F+d} ${G:?} ${H?m}", ()),
        ("x ${A:-${B:-c}} ${A:-$B}", ()),
        ("x ${#A} ${B%.*} ${C##*/} ${D%$E}", ("A", "B", "C", "D", "E")),
        ("x $$ $? $1 $@ $* $# $! $- $0 ${1} ${@} $_ $PWD", ()),
        ("A=1; x $A", ()),
        ("A=1 && x $A", ()),
        ("export A=1 B; x $A $B", ()),
        ("read A; x $A", ()),
        ("A=1 x $A", ("A",)),
        ("A=1 B=$A x", ()),
        ("PORT=${PORT:-3000} x -p $PORT", ("PORT",)),
        ("x $A; A=1", ("A",)),
        (": ${A:=1}; x $A", ()),
        ("for A in 1 2; do x $A; done", ()),
        ("if a; then A=1; fi; x $A $B", ("B",)),
        ("x $(y $A `z $B`) $((C + $D))", ("A", "B", "D")),
        ("A=1; x $(y $A)", ()),
        ("x $A | y $B || z $C & w > $D", ("A", "B", "C", "D")),
        ('sh -c "a $B"', ("B",)),
        ("sh -c 'a $B'", ()),
        ("x # $A", ()),
        ("x $ $% a$", ()),
        ("x '$A", ()),
        ("x ${A", ()),
        ("", ()),
    ],
)
def test_variables_are_those_without_a_default(command: str, expected: tuple[str, ...]) -> None:
    assert variables(command) == expected


def test_deep_nesting_is_unclear_and_no_fault() -> None:
    deep = "${A:-" * 5000
    assert (exec_line(deep), words(deep), program(deep), variables(deep)) == (deep, (), None, ())


SHELL_TEXT = st.text(st.sampled_from("ab$ {}()[]'\"\\`;&|<>#=:-!*~\n\t1é") | st.characters(), max_size=40)


@given(SHELL_TEXT)
def test_any_text_is_read_without_a_fault(command: str) -> None:
    assert exec_line(command).replace("exec ", "") == command.replace("exec ", "")
    words(command), program(command), variables(command)


VALUES = st.sampled_from(
    [
        "a",
        "''",
        '"x y"',
        "'$X'",
        "$X",
        '"$X"',
        "${NONE:-d}",
        "$NONE",
        "a\\ b",
        "#x",
        "x#",
        "*",
        "$(echo q r)",
        "`echo s`",
    ]
)
PREFIXES = st.lists(st.tuples(st.sampled_from(["A", "B"]), VALUES), max_size=2).map(
    lambda pairs: "".join(f"{name}={value} " for name, value in pairs if not value.startswith("#"))
)
TARGETS = st.sampled_from(["", "", " >written", " >>written 2>&1", " </dev/null", " 2>/dev/null"])
PROGRAMS = st.builds(
    lambda prefix, name, values, target: prefix + " ".join([name, *values]) + target,
    PREFIXES,
    st.sampled_from(["show", "bin/show", '"show"', "RC=0 show", "env A=9 show", "echo", "no-such", "printf"]),
    st.lists(VALUES.filter(lambda value: value != "*"), max_size=3),
    TARGETS,
)
EARLIER = PROGRAMS | st.sampled_from(
    [
        "cd app",
        "cd nowhere",
        "true",
        "false",
        "A=2",
        "export B=3",
        "unset X",
        "trap 'echo bye' 0",
        "set -f",
        "exit 5",
    ]
)
LINES = st.builds(
    lambda members, last, end: "".join(f"{member} {operator} " for member, operator in members) + last + end,
    st.lists(st.tuples(EARLIER, st.sampled_from(["&&", ";", ";", "||"])), max_size=2),
    PROGRAMS,
    st.sampled_from(["", "", ";", " # it's", " "]),
)


@settings(max_examples=60, deadline=None)
@given(command=LINES, shell=st.sampled_from(SHELLS))
def test_rewriting_never_changes_what_a_line_does(command: str, shell: str, app: Path) -> None:
    assert outcome(shell, exec_line(command), app) == outcome(shell, command, app)
