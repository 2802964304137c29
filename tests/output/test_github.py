"""In a job of GitHub Actions: crashes are annotated, and nothing that a process writes is a command."""

from dataclasses import dataclass

from tests.harness import TERM, Folder

KNOWN = {"add-mask", "add-path", "debug", "endgroup", "error", "group", "notice", "set-env", "warning"}


@dataclass
class Command:
    """What the runner of a job did for one line."""

    name: str
    title: str
    text: str


def obeyed(output: str) -> list[Command]:
    """Reads a log as the runner does (actions/runner, ActionCommandManager.TryProcessCommand)."""
    found: list[Command] = []
    token = ""
    for line in output.split("\n"):
        command = _parsed(line)
        if command is None:
            continue
        if token:
            token = "" if command.name == token else token
        elif command.name == "stop-commands":
            token = command.text
        elif command.name in KNOWN:
            found.append(command)
    assert not token, "commands are not obeyed any more behind procrun"
    return found


def _parsed(line: str) -> Command | None:
    """`::name property=value::text` at the beginning of a line, or `##[name]text` anywhere in it (ActionCommand.cs)."""
    if line.lstrip().startswith("::"):
        head, end, text = line.lstrip()[2:].partition("::")
    elif "##[" in line:
        head, end, text = line.partition("##[")[2].partition("]")
    else:
        return None
    name, _, properties = head.partition(" ")
    return Command(name, properties.removeprefix("title="), text) if end else None


def test_a_crash_is_annotated_and_the_summary_is_grouped(folder: Folder) -> None:
    folder.procfile("web: sleep 0.3; echo 'bad luck'; exit 3", "other: sleep 60")

    run = folder.start(env={"GITHUB_ACTIONS": "true"})

    assert run.finish() == 3
    crash, group, end = obeyed(run.output)
    assert (crash.name, crash.title) == ("error", "web.1 crashed")
    assert crash.text == "sleep 0.3; echo 'bad luck'; exit 3: exit 3"
    assert (group.name, group.text) == ("group", "procrun: how each process ended")
    assert end.name == "endgroup"
    assert run.output.index("::group::") < run.output.index("web.1: exit 3, ran") < run.output.index("::endgroup::")


def test_what_a_process_writes_is_no_command(folder: Folder) -> None:
    folder.write("evil", "::error::fake\n##[error]fake\n  ::set-env name=A::b\n::stop-commands::x\n::x::\n::group::g\n")
    folder.procfile("web: cat evil; sleep 0.3; cat evil", "other: sleep 60")

    for options in ((), ("--no-prefix",), ("--json",)):
        run = folder.start(*options, env={"GITHUB_ACTIONS": "true"})
        run.finish()
        assert [c for c in obeyed(run.output) if "how each process ended" not in c.text and c.name != "endgroup"] == []
        assert run.output.count("::set-env") == 2


def test_the_token_that_has_commands_obeyed_again_is_another_one_each_time(folder: Folder) -> None:
    folder.procfile("web: exit 3")

    run = folder.start(env={"GITHUB_ACTIONS": "true"})

    run.finish()
    tokens = [line.removeprefix("::stop-commands::") for line in run.output.splitlines() if "::stop-commands" in line]
    assert len(tokens) >= 3
    assert len(set(tokens)) == len(tokens)


def test_a_text_with_special_letters_stays_one_command(folder: Folder) -> None:
    folder.procfile("web: : 100% a::b; exit 3")

    run = folder.start(env={"GITHUB_ACTIONS": "true"})

    run.finish()
    assert obeyed(run.output)[0].text == ": 100%25 a::b; exit 3: exit 3"


def test_a_process_that_was_told_to_stop_did_not_crash(folder: Folder) -> None:
    folder.procfile("web: trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done")
    run = folder.start(env={"GITHUB_ACTIONS": "true"})
    run.wait_for("ready$")

    run.finish(TERM)

    assert [command.name for command in obeyed(run.output)] == ["group", "endgroup"]


def test_elsewhere_there_are_no_commands(folder: Folder) -> None:
    folder.procfile("web: exit 3")

    run = folder.start(env={"GITHUB_ACTIONS": "false"})

    run.finish()
    assert "::" not in run.output
