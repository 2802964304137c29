"""The stream: whole lines, none lost or torn, with or without prefix, time and colour."""

import re
import subprocess

import pytest

from tests.harness import PROCRUN, PYTHON, TERM, Folder, child, until

TIME = r"\d\d:\d\d:\d\d "
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def lines_of(output: str, name: str) -> list[str]:
    return re.findall(rf"(?m)^{TIME}{re.escape(name)} +\| (.*)$", output)


def test_lines_have_time_padded_name_and_text(folder: Folder) -> None:
    folder.procfile("web: echo hello; exec sleep 60", "long-name: sleep 60")

    run = folder.start()

    run.wait_for(rf"^{TIME}web\.1       \| hello$")
    run.finish(TERM)


def test_200000_lines_from_a_process_that_exits_at_once_all_arrive(folder: Folder) -> None:
    folder.procfile("web: seq 1 200000")

    run = folder.start()

    assert run.finish() == 0
    assert lines_of(run.output, "web.1") == [str(n) for n in range(1, 200001)]


def test_two_who_write_at_once_never_tear_each_others_lines(folder: Folder) -> None:
    folder.procfile("a: seq -f 'a%.0f-end' 1 30000; sleep 60", "b: seq -f 'b%.0f-end' 1 30000; sleep 60")

    run = folder.start("-c", "b=2")
    run.wait_for("[ab]30000-end", count=3)
    run.finish(TERM)

    assert lines_of(run.output, "a.1") == [f"a{n}-end" for n in range(1, 30001)]
    assert lines_of(run.output, "b.1") == lines_of(run.output, "b.2") == [f"b{n}-end" for n in range(1, 30001)]


def test_stdout_and_stderr_keep_their_order(folder: Folder) -> None:
    folder.procfile("web: for n in 1 2 3 4 5 6 7 8 9; do echo out$n; echo err$n >&2; done")

    run = folder.start()

    run.finish()
    assert lines_of(run.output, "web.1") == [f"{s}{n}" for n in range(1, 10) for s in ("out", "err")]


def test_bytes_that_are_no_utf8_pass_through(folder: Folder) -> None:
    folder.procfile(r"web: printf 'caf\351 \377\376 ok\n'")

    run = folder.start()

    run.finish()
    assert b"| caf\xe9 \xff\xfe ok\n" in run.raw


def test_a_last_line_without_newline_is_shown(folder: Folder) -> None:
    folder.procfile("web: printf 'one\\ntwo'; exit 3")

    run = folder.start()

    assert run.finish() == 3
    assert lines_of(run.output, "web.1") == ["one", "two"]


def test_the_last_output_comes_before_the_end_is_announced(folder: Folder) -> None:
    folder.procfile("web: seq 1 5000; printf last; exit 3")

    run = folder.start()

    run.finish()
    assert run.output.index("| last\n") < run.output.index("web.1 ended by itself")


def test_a_prompt_without_newline_is_shown_after_a_while(folder: Folder) -> None:
    folder.procfile("web: printf 'Overwrite? [y/N] '; exec sleep 60")

    run = folder.start()

    run.wait_for(r"web\.1 +\| Overwrite\? \[y/N\] $")
    run.finish(TERM)


def test_a_line_written_in_two_halves_stays_one_line(folder: Folder) -> None:
    folder.procfile("web: printf 'compiling '; while ! [ -e go ]; do sleep 0.05; done; echo done; exec sleep 60")

    run = folder.start()
    run.wait_for(r"compiling $")
    folder.write("go", "")

    run.wait_for(r"web\.1 +\| compiling done$")
    run.finish(TERM)


def test_a_shown_prompt_that_others_interrupt_is_shown_whole_when_finished(folder: Folder) -> None:
    wait = "while ! [ -e {} ]; do sleep 0.05; done"
    folder.procfile(
        f"a: printf 'half '; {wait.format('go')}; echo whole; exec sleep 60",
        f"b: {wait.format('shown')}; echo other; exec sleep 60",
    )

    run = folder.start()
    run.wait_for(r"a\.1 +\| half $")
    folder.write("shown", "")
    run.wait_for(r"b\.1 +\| other$")
    folder.write("go", "")

    run.wait_for(r"a\.1 +\| half whole$")
    assert re.search(rf"(?m)^{TIME}b\.1 +\| other$", run.output)
    run.finish(TERM)


def test_a_line_longer_than_a_pipe_is_not_cut(folder: Folder) -> None:
    folder.procfile(f"web: {PYTHON} -c 'print(\"x\" * 1_000_000)'")

    run = folder.start()

    run.finish()
    assert lines_of(run.output, "web.1") == ["x" * 1_000_000]


def test_no_prefix_gives_the_bytes_as_they_came(folder: Folder) -> None:
    folder.procfile("web: seq 1 3")

    run = folder.start("--no-prefix")

    run.finish()
    assert [line for line in run.output.splitlines() if not line.startswith("procrun: ")] == ["1", "2", "3"]


def test_no_timestamp_leaves_the_name(folder: Folder) -> None:
    folder.procfile("web: echo hello")

    run = folder.start("--no-timestamp")

    run.finish()
    assert "\nweb.1   | hello\n" in run.output


def test_quiet_hides_a_process_and_not_its_end(folder: Folder) -> None:
    folder.procfile("noise: echo secret; exit 4", "web: sleep 60")

    run = folder.start("-q", "noise")

    assert run.finish() == 4
    assert "secret" not in run.output
    assert "noise.1 ended the run" in run.output


def test_a_quiet_process_is_never_held_back(folder: Folder) -> None:
    folder.procfile("noise: seq 1 300000 && touch done; exec sleep 60", "web: sleep 60")

    run = folder.start("-q", "noise")

    run.wait_for("started", count=2)
    until((folder.path / "done").exists, "everything was written")
    run.finish(TERM)


@pytest.mark.parametrize(
    ("env", "options", "coloured"),
    [
        ({}, (), False),  # a pipe
        ({"FORCE_COLOR": "1"}, (), True),
        ({"CLICOLOR_FORCE": "1"}, (), True),
        ({"FORCE_COLOR": "0"}, (), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, (), True),
        ({"FORCE_COLOR": "1"}, ("--no-colour",), False),
        ({"FORCE_COLOR": "1"}, ("--no-color",), False),
    ],
)
def test_who_decides_about_colour(
    folder: Folder, env: dict[str, str], options: tuple[str, ...], coloured: bool
) -> None:
    folder.procfile("web: echo hello")

    run = folder.start(*options, env=env)

    run.finish()
    assert bool(COLOUR.search(run.output)) is coloured


def test_no_child_is_told_to_colour(folder: Folder) -> None:
    folder.procfile("web: echo force=$FORCE_COLOR")

    run = folder.start(env={"CLICOLOR_FORCE": "1"})
    run.finish()

    assert "force=\n" in run.output


def test_a_name_has_the_same_colour_in_every_run(folder: Folder) -> None:
    def colour_of_web(*lines: str) -> str:
        folder.procfile(*lines)
        run = folder.start(env={"FORCE_COLOR": "1"})
        run.finish()
        return run.wait_for(r"\x1b\[([\d;]+)m\d\d:\d\d:\d\d web\.1 ")[1]

    assert colour_of_web("web: echo hello") == colour_of_web("a: sleep 60", "b: sleep 60", "web: echo hello")


def test_output_into_a_file_is_appended_like_any_programs(folder: Folder) -> None:
    """O_NONBLOCK and a file offset of our own would overwrite what the shell writes next."""
    folder.procfile("web: echo hello")
    script = f"{{ {' '.join(PROCRUN)} start; echo after; }} > log"
    subprocess.run(["sh", "-c", script], cwd=folder.path, check=True, timeout=30)

    log = (folder.path / "log").read_text()
    assert "| hello\n" in log
    assert log.endswith("\nafter\n")


def test_a_reader_that_leaves_does_not_hold_up_the_stop(folder: Folder) -> None:
    folder.procfile("web: " + child("flood.py"))
    run = folder.start("-t", "1", dropping="flood")
    run.wait_for("started")
    assert run.popen.stdout is not None

    run.signal(TERM)

    assert run.finish() == -TERM


def test_a_closed_standard_output_is_no_fault(folder: Folder) -> None:
    folder.procfile("web: echo hello; touch done; exit 3")

    result = subprocess.run(
        ["sh", "-c", f"exec {' '.join(PROCRUN)} start <&- >&- 2>&-"], cwd=folder.path, timeout=30, check=False
    )

    assert result.returncode == 3
    assert (folder.path / "done").exists()
