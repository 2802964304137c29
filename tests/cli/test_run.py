"""`procrun run` and `procrun release`: one command in the app's environment, on this terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.harness import PATIENCE, PROCRUN, Folder
from tests.programs import need_right

SHOW = "import sys; print(sys.argv[1:])"


def on_a_terminal(folder: Folder, *arguments: str) -> "pexpect.spawn[str]":
    need_right("open a terminal")
    return pexpect.spawn(
        PROCRUN[0],
        [*PROCRUN[1:], *arguments],
        cwd=str(folder.path),
        encoding="utf-8",
        timeout=PATIENCE,
    )


# --- the environment and the folder


def test_command_gets_the_environment_of_the_app(folder: Folder) -> None:
    folder.write(".env", "A=1\nREDIS_PROVIDER=MY_URL\nMY_URL=redis://h:1/0\n")
    made = folder.procrun("run", "sh", "-c", 'echo "$A $REDIS_URL $PS $B"', env={"B": "2"})
    assert made.stdout == "1 redis://h:1/0 run.1 2\n"


def test_no_procfile_is_needed(folder: Folder) -> None:
    assert folder.procrun("run", "true").returncode == 0


def test_port_is_set_where_one_is_asked_for(folder: Folder) -> None:
    assert folder.procrun("run", "-p", "8000", "sh", "-c", "echo $PORT").stdout == "8000\n"


def test_command_runs_here(folder: Folder) -> None:
    folder.write("app/Procfile", "web: true")
    assert folder.procrun("run", "-f", "app/Procfile", "pwd").stdout == f"{folder.path}\n"


def test_command_runs_in_the_app_root_where_one_is_named(folder: Folder) -> None:
    folder.write("app/.env", "A=1")
    assert folder.procrun("run", "-d", "app", "sh", "-c", "echo $A $PWD").stdout == f"1 {folder.path}/app\n"


def test_program_is_looked_for_on_the_path_of_the_app(folder: Folder) -> None:
    folder.write("tools/mine", "#!/bin/sh\necho mine\n").chmod(0o755)
    folder.write(".env", f"PATH={folder.path}/tools:${{PATH}}")
    assert folder.procrun("run", "mine").stdout == "mine\n"


def test_findings_are_told_before_the_command_runs(folder: Folder) -> None:
    folder.write(".env", "oops")
    made = folder.procrun("run", "sh", "-c", "echo ran >&2")
    assert made.stderr.splitlines() == [
        'procrun: .env:1: ignored: "oops" has no `=`; write `oops=` to set it to nothing [missing-value]',
        "ran",
    ]


# --- words, options and shell strings


def test_words_reach_the_command_as_they_are(folder: Folder) -> None:
    words = ["a b", "$HOME", "*", "'", '"', ";", "", "é", "\\"]
    made = folder.procrun("run", sys.executable, "-c", SHOW, *words)
    assert made.stdout == f"{words}\n"


def test_options_behind_the_first_word_belong_to_the_command(folder: Folder) -> None:
    options = ["-e", "nope", "-p", "1", "--help", "-f", "x", "--", "-d", "y"]
    made = folder.procrun("run", sys.executable, "-c", SHOW, *options)
    assert made.stdout == f"{options}\n"


@pytest.mark.parametrize("arguments", [["run", "-e", "a.env"], ["-e", "a.env", "run"], ["run", "-e", "a.env", "--"]])
def test_options_before_the_first_word_belong_to_procrun(folder: Folder, arguments: list[str]) -> None:
    folder.write("a.env", "A=1")
    assert folder.procrun(*arguments, "sh", "-c", "echo $A").stdout == "1\n"


def test_unknown_option_before_the_first_word_is_refused(folder: Folder) -> None:
    made = folder.procrun("run", "-z", "true")
    assert (made.returncode, made.stderr) == (2, "procrun: No such option '-z'; `procrun run --help` tells more\n")


def test_nothing_to_run_is_refused(folder: Folder) -> None:
    assert folder.procrun("run").returncode == 2


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("echo $A", "1\n"),
        ("A=2 sh -c 'echo $A'", "2\n"),
        ("echo a | tr a b", "b\n"),
        ("cd app && pwd -P | sed 's,.*/,,'", "app\n"),
        ("echo a; exit 0", "a\n"),
    ],
)
def test_one_word_with_signs_of_the_shell_is_given_to_a_shell(folder: Folder, line: str, output: str) -> None:
    folder.write(".env", "A=1")
    (folder.path / "app").mkdir()
    assert folder.procrun("run", line).stdout == output


def test_program_of_a_shell_string_takes_the_pid(folder: Folder) -> None:
    popen = subprocess.Popen(
        [*PROCRUN, "run", f"{sys.executable} -c 'import os; print(os.getpid())'"], stdout=subprocess.PIPE, text=True
    )
    output, _ = popen.communicate(timeout=PATIENCE)
    assert output == f"{popen.pid}\n"


# --- an entry


def test_entry_runs_by_its_name_with_its_port(folder: Folder) -> None:
    folder.procfile("web: puma", 'worker: echo "$PS $PORT ${A:-none}"')
    assert folder.procrun("run", "worker").stdout == "worker.1 5000 none\n"
    assert folder.procrun("run", "-p", "7000", "worker").stdout == "worker.1 7000 none\n"


def test_entry_runs_in_the_folder_of_the_procfile(folder: Folder) -> None:
    folder.write("app/Procfile", "web: pwd")
    assert folder.procrun("run", "-f", "app/Procfile", "web").stdout == f"{folder.path}/app\n"


def test_program_of_an_entry_takes_the_pid(folder: Folder) -> None:
    folder.procfile(f"web: A=1 {sys.executable} -c 'import os; print(os.getpid())'")
    popen = subprocess.Popen([*PROCRUN, "run", "web"], stdout=subprocess.PIPE, text=True)
    output, _ = popen.communicate(timeout=PATIENCE)
    assert output == f"{popen.pid}\n"


def test_release_runs_the_release_entry(folder: Folder) -> None:
    folder.procfile("web: puma", "release: echo migrated; exit 3")
    made = folder.procrun("release")
    assert (made.returncode, made.stdout) == (3, "migrated\n")


def test_release_without_an_entry_is_a_fault(folder: Folder) -> None:
    folder.procfile("web: puma")
    made = folder.procrun("release")
    expected = "procrun: Procfile: there is no release entry; add one, as in `release: bin/migrate`\n"
    assert (made.returncode, made.stderr) == (2, expected)


# --- exit statuses


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_exit_status_is_the_commands(folder: Folder, status: int) -> None:
    assert folder.procrun("run", sys.executable, "-c", f"raise SystemExit({status})").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_a_signal_is_the_commands(folder: Folder, number: int) -> None:
    line = f"import os; os.kill(os.getpid(), {number:d})"
    shell = f'"$@"; test $? = {128 + number}'  # a shell shows 143 for TERM
    made = subprocess.run(["/bin/sh", "-c", shell, "sh", *PROCRUN, "run", sys.executable, "-c", line], check=False)
    assert made.returncode == 0
    assert folder.procrun("run", sys.executable, "-c", line).returncode == -number


def test_command_that_is_not_found_is_127(folder: Folder) -> None:
    made = folder.procrun("run", "nosuch-program", "x")
    assert (made.returncode, made.stderr) == (127, "procrun: nosuch-program: command not found\n")


def test_command_that_is_not_executable_is_126(folder: Folder) -> None:
    folder.write("plain", "text")
    made = folder.procrun("run", "./plain", "x")
    assert (made.returncode, made.stderr) == (126, "procrun: ./plain: cannot be executed: Permission denied\n")


def test_command_that_is_a_directory_is_126(folder: Folder) -> None:
    made = folder.procrun("run", "./", "x")
    assert made.returncode == 126


def test_script_without_its_interpreter_is_126_and_says_so(folder: Folder) -> None:
    folder.write("script", "#!/nosuch/python\n").chmod(0o755)
    made = folder.procrun("run", "./script", "x")
    expected = "procrun: ./script: cannot be executed: the interpreter in its first line does not exist\n"
    assert (made.returncode, made.stderr) == (126, expected)


def test_script_that_names_no_interpreter_is_run_by_the_shell(folder: Folder) -> None:
    folder.write("script", 'echo "ran $1"\nexit 4\n').chmod(0o755)
    made = folder.procrun("run", "./script", "a b")
    assert (made.returncode, made.stdout) == (4, "ran a b\n")


@pytest.mark.parametrize(("line", "status"), [("nosuch-program $A", 127), ("./plain $A", 126)])
def test_shell_strings_have_the_statuses_of_the_shell(folder: Folder, line: str, status: int) -> None:
    folder.write("plain", "text")
    assert folder.procrun("run", line).returncode == status


# --- the terminal, the pipe and the signals


def test_command_has_the_terminal(folder: Folder) -> None:
    run = on_a_terminal(folder, "run", sys.executable, "-c", "import sys; print('tty', sys.stdin.isatty())")
    run.expect("tty True")
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 0


def test_command_reads_what_is_typed(folder: Folder) -> None:
    run = on_a_terminal(folder, "run", sys.executable, "-c", "print('got ' + input('name? '))")
    run.expect_exact("name? ")
    run.sendline("joe")
    run.expect("got joe")
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 0


CATCH = """
import os, signal, sys
def caught(*_):
    os.write(1, b"caught\\n")
    sys.exit(7)
signal.signal(signal.SIGINT, caught)
os.write(1, b"ready\\n")
while True: signal.pause()
"""


@pytest.mark.parametrize("as_entry", [False, True])
def test_control_c_reaches_the_command(folder: Folder, as_entry: bool) -> None:
    folder.write("catch.py", CATCH)
    folder.procfile(f"web: {sys.executable} catch.py")
    run = on_a_terminal(folder, "run", *(["web"] if as_entry else [sys.executable, "catch.py"]))
    run.expect("ready")
    run.sendintr()
    run.expect("caught")
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 7


def test_signal_reaches_the_command(folder: Folder) -> None:
    folder.write("catch.py", CATCH.replace("SIGINT", "SIGTERM"))
    popen = subprocess.Popen(
        [*PROCRUN, "run", sys.executable, "catch.py"], cwd=folder.path, stdout=subprocess.PIPE, text=True
    )
    assert popen.stdout is not None
    with popen.stdout as output:
        assert output.readline() == "ready\n"
        popen.terminate()
        assert output.readline() == "caught\n"
    assert popen.wait(PATIENCE) == 7


def test_command_dies_of_a_closed_pipe_as_from_a_shell(folder: Folder) -> None:
    made = folder.procrun("run", "grep -i '^sig\\(ign\\|blk\\)' /proc/self/status")
    plain = subprocess.run(
        ["grep", "-i", "^sig\\(ign\\|blk\\)", "/proc/self/status"], capture_output=True, text=True, check=True
    )
    assert made.stdout == plain.stdout


def test_standard_input_is_the_commands(folder: Folder) -> None:
    assert folder.procrun("run", "cat", text="typed\n").stdout == "typed\n"


def test_command_inherits_no_open_files(folder: Folder) -> None:
    made = folder.procrun("run", "ls", "/proc/self/fd")
    assert made.stdout.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_faulty_procfile_is_told_before_anything_runs(folder: Folder) -> None:
    folder.procfile("web:")
    made = folder.procrun("run", "touch", "ran")
    assert made.returncode == 2
    assert not Path(folder.path / "ran").exists()
    assert os.listdir(folder.path) == ["Procfile"]
