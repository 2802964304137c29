"""The plan: which instances run, with which port and environment, and what is refused before anything starts."""

import os
import threading
from typing import Any

import pytest

from procrun.core.errors import ConfigError
from procrun.plan.layout import Plan, build, instances
from procrun.plan.options import Wishes
from procrun.plan.sources import changed_files, read
from procrun.plan.sources import folder as folder_of
from tests.harness import Folder

THREE = ("web: puma -p $PORT", "worker: sidekiq", "clock: clockwork")


def plan(environ: dict[str, str] | None = None, **wishes: Any) -> Plan:
    return build(Wishes(**wishes), environ or {})


def names(**wishes: Any) -> list[str]:
    return [spec.name for spec in plan(**wishes).specs]


def ports(environ: dict[str, str] | None = None, **wishes: Any) -> dict[str, int]:
    return {spec.name: spec.port for spec in plan(environ, **wishes).specs}


def fault(environ: dict[str, str] | None = None, **wishes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(environ, **wishes)
    return str(caught.value)


@pytest.fixture
def three(folder: Folder) -> Folder:
    folder.procfile(*THREE)
    return folder


# --- the formation


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({}, ["web.1", "worker.1", "clock.1"]),
        ({"formation": "web=2"}, ["web.1", "web.2"]),
        ({"formation": "worker=2,web=1"}, ["web.1", "worker.1", "worker.2"]),
        ({"formation": " worker = 2 , "}, ["worker.1", "worker.2"]),
        ({"formation": "all=1"}, ["web.1", "worker.1", "clock.1"]),
        ({"formation": "all=1,worker=2"}, ["web.1", "worker.1", "worker.2", "clock.1"]),
        ({"formation": "worker=2,all=0"}, ["worker.1", "worker.2"]),
        ({"concurrency": "worker=2"}, ["web.1", "worker.1", "worker.2", "clock.1"]),
        ({"concurrency": "worker=0"}, ["web.1", "clock.1"]),
        ({"concurrency": "all=2,web=1,clock=0"}, ["web.1", "worker.1", "worker.2"]),
        ({"names": ("worker",)}, ["worker.1"]),
        ({"names": ("clock", "web")}, ["web.1", "clock.1"]),
        ({"names": ("web", "web")}, ["web.1"]),
        ({"names": ("worker",), "concurrency": "worker=2"}, ["worker.1", "worker.2"]),
        ({"names": ("worker",), "formation": "web=2"}, ["worker.1"]),
        ({"names": ("worker",), "formation": "worker=2"}, ["worker.1", "worker.2"]),
        ({"names": ("worker.2",)}, ["worker.2"]),
        ({"names": ("worker.2", "web")}, ["web.1", "worker.2"]),
        ({"names": ("worker", "worker.3")}, ["worker.1", "worker.3"]),
        ({"exclude": ("worker",)}, ["web.1", "clock.1"]),
        ({"exclude": ("worker,web",)}, ["clock.1"]),
        ({"exclude": ("worker", "web")}, ["clock.1"]),
        ({"exclude": ("worker.1",), "concurrency": "worker=2"}, ["web.1", "worker.2", "clock.1"]),
        ({"exclude": ("release",)}, ["web.1", "worker.1", "clock.1"]),
    ],
)
def test_formation_names_and_exclusions_choose_the_instances(wishes: dict[str, Any], expected: list[str]) -> None:
    assert names(**wishes) == expected


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"formation": "wbe=2"}, '-m: no process type "wbe"; there are: web, worker, clock; did you mean "web"?'),
        ({"concurrency": "wbe=2"}, '-c: no process type "wbe"; there are: web, worker, clock; did you mean "web"?'),
        ({"formation": "web"}, '-m: "web" is not TYPE=NUMBER, as in web=2,worker=1'),
        ({"formation": "web=two"}, '-m: "web=two" is not TYPE=NUMBER, as in web=2,worker=1'),
        ({"formation": "web=-1"}, '-m: "web=-1" is not TYPE=NUMBER, as in web=2,worker=1'),
        ({"formation": "web=١"}, '-m: "web=١" is not TYPE=NUMBER, as in web=2,worker=1'),
        ({"formation": "web=1,web=2"}, '-m: "web" is given twice'),
        ({"formation": "all=0"}, "Procfile: nothing is left to start: all is excluded or scaled to 0"),
        ({"formation": ""}, "Procfile: nothing is left to start: all is excluded or scaled to 0"),
        ({"exclude": ("web,worker,clock",)}, "Procfile: nothing is left to start: all is excluded or scaled to 0"),
        (
            {"formation": "web=1", "concurrency": "web=1"},
            "-m and -c: give one of them: -m leaves types that are not named at 0, -c at 1",
        ),
        ({"names": ("wbe",)}, 'Procfile: no process "wbe"; there are: web, worker, clock; did you mean "web"?'),
        ({"names": ("web.0",)}, 'Procfile: no process "web.0"; there are: web, worker, clock; did you mean "web"?'),
        ({"names": ("web.01",)}, 'Procfile: no process "web.01"; there are: web, worker, clock; did you mean "web"?'),
        ({"names": ("release",)}, 'Procfile: no process "release"; there are: web, worker, clock'),
        ({"exclude": ("wbe",)}, '-x: no process "wbe"; there are: web, worker, clock; did you mean "web"?'),
        ({"quiet": ("wbe",)}, '-q/--hide: no process "wbe"; there are: web, worker, clock; did you mean "web"?'),
    ],
)
def test_what_cannot_be_meant_is_refused(wishes: dict[str, Any], message: str) -> None:
    assert fault(**wishes) == message


@pytest.mark.usefixtures("three")
def test_quiet_is_for_types_and_for_instances() -> None:
    specs = plan(quiet=("worker", "web.2"), concurrency="all=2").specs
    assert [spec.name for spec in specs if spec.quiet] == ["web.2", "worker.1", "worker.2"]


def test_release_is_left_out_of_the_formation(folder: Folder) -> None:
    folder.procfile("release: migrate", "web: puma")
    assert ports() == {"web.1": 5000}


def test_release_runs_when_it_is_named_and_moves_no_port(folder: Folder) -> None:
    folder.procfile("release: migrate", "web: puma")
    assert ports(names=("release", "web")) == {"web.1": 5000, "release.1": 5100}


# --- ports


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({}, {"web.1": 5000, "worker.1": 5100, "clock.1": 5200}),
        ({"concurrency": "worker=2"}, {"web.1": 5000, "worker.1": 5100, "worker.2": 5101, "clock.1": 5200}),
        ({"formation": "worker=2"}, {"worker.1": 5100, "worker.2": 5101}),
        ({"concurrency": "web=0"}, {"worker.1": 5100, "clock.1": 5200}),
        ({"exclude": ("web",)}, {"worker.1": 5100, "clock.1": 5200}),
        ({"names": ("clock",)}, {"clock.1": 5000}),
        ({"names": ("clock.3",)}, {"clock.3": 5002}),
        ({"names": ("worker.1", "worker.2")}, {"worker.1": 5000, "worker.2": 5001}),
        ({"names": ("worker", "clock")}, {"worker.1": 5100, "clock.1": 5200}),
        ({"port": 65335}, {"web.1": 65335, "worker.1": 65435, "clock.1": 65535}),
    ],
)
def test_a_type_has_a_hundred_ports_by_its_place_in_the_procfile(
    wishes: dict[str, Any], expected: dict[str, int]
) -> None:
    assert ports(**wishes) == expected


@pytest.mark.parametrize(
    ("wished", "file", "shell", "expected"),
    [
        (9000, "PORT=7000", {"PORT": "6000"}, 9000),
        (None, "PORT=7000", {"PORT": "6000"}, 7000),
        (None, "", {"PORT": "6000"}, 6000),
        (None, "", {}, 5000),
        (None, "PORT=", {}, 5000),
        (None, 'PORT=" 7000 "', {}, 7000),
    ],
)
def test_port_option_beats_file_beats_shell(
    three: Folder, wished: int | None, file: str, shell: dict[str, str], expected: int
) -> None:
    three.write(".env", file)
    assert ports(shell, port=wished)["web.1"] == expected


@pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", "5000.0", "5_000"])
def test_port_that_is_none_is_refused_with_its_place(three: Folder, value: str) -> None:
    three.write(".env", f"# c\nPORT={value}")
    assert fault() == f'.env:2: PORT: "{value}" is no port; give a number from 1 to 65535'


@pytest.mark.parametrize("value", ["tcp://172.17.0.2:80", "redis://:geheim@h:1", "x7Kq9aB2"])
def test_port_that_may_be_a_secret_in_the_wrong_place_is_not_shown(three: Folder, value: str) -> None:
    three.write(".env", f"# c\nPORT={value}")
    assert fault() == ".env:2: PORT: its value is no port; give a number from 1 to 65535"


@pytest.mark.usefixtures("three")
def test_port_of_the_shell_that_is_none_is_refused() -> None:
    assert fault({"PORT": "x"}) == 'shell: PORT: "x" is no port; give a number from 1 to 65535'


@pytest.mark.usefixtures("three")
def test_too_many_types_for_the_port_range_are_refused() -> None:
    expected = "Procfile:3: clock.1 would get port 65536, and 65535 is the last; choose a lower base: -p"
    assert fault(port=65336) == expected


@pytest.mark.usefixtures("three")
def test_too_many_instances_for_the_port_range_are_refused() -> None:
    expected = "Procfile:3: clock.2 would get port 65536, and 65535 is the last; choose a lower base: -p"
    assert fault(port=65335, concurrency="clock=2") == expected


def test_two_that_name_the_port_and_would_share_it_are_refused(folder: Folder) -> None:
    folder.procfile("web: puma -p $PORT", "api: puma -p ${PORT:-3}")
    expected = "ports: web.101 and api.1 would both get port 5100; start at most 100 of web"
    assert fault(concurrency="web=101") == expected


@pytest.mark.parametrize("wishes", [{"concurrency": "web=100"}, {"formation": "web=101"}])
def test_types_that_share_no_port_may_be_as_many_as_one_likes(folder: Folder, wishes: dict[str, Any]) -> None:
    folder.procfile("web: puma -p $PORT", "api: puma -p $PORT")
    assert names(**wishes)[99] == "web.100"


@pytest.mark.usefixtures("three")
def test_shared_port_that_a_command_does_not_name_is_no_fault() -> None:
    assert ports(concurrency="web=101")["web.101"] == 5100


@pytest.mark.usefixtures("three")
def test_further_instances_follow_the_same_rules() -> None:
    specs = instances(plan(), "worker", 3)
    assert [(spec.name, spec.port) for spec in specs] == [("worker.1", 5100), ("worker.2", 5101), ("worker.3", 5102)]


@pytest.mark.usefixtures("three")
def test_instances_of_an_unknown_type_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r'^Procfile: no process type "wbe"; there are: web, worker, clock; did you mean "web"\?$'
    ):
        instances(plan(), "wbe", 1)


# --- the environment of an instance


def test_instance_knows_its_port_and_its_name(three: Folder) -> None:
    three.write(".env", "PORT=7000\nPS=mine\nA=1")
    second = plan({"PS": "outer", "B": "2"}, concurrency="worker=2").specs[2]
    env = second.env
    assert (env["PORT"], env["PS"], env["A"], env["B"]) == ("7101", "worker.2", "1", "2")


@pytest.mark.usefixtures("three")
def test_defaults_yield_to_the_shell() -> None:
    wanted = {"PYTHONUNBUFFERED": "1"}
    assert plan(defaults=wanted).specs[0].env["PYTHONUNBUFFERED"] == "1"
    assert plan({"PYTHONUNBUFFERED": ""}, defaults=wanted).specs[0].env["PYTHONUNBUFFERED"] == ""


def test_defaults_yield_to_the_file(three: Folder) -> None:
    three.write(".env", "PYTHONUNBUFFERED=0")
    assert plan(defaults={"PYTHONUNBUFFERED": "1"}).specs[0].env["PYTHONUNBUFFERED"] == "0"


def test_later_environment_file_wins(three: Folder) -> None:
    three.write("a.env", "A=1\nB=1")
    three.write("b.env", "B=2\nC=${A}")
    for files in (("a.env,b.env",), ("a.env", "b.env")):
        env = plan(env_files=files).specs[0].env
        assert (env["A"], env["B"], env["C"]) == ("1", "2", "1")


def test_named_environment_files_stand_in_for_the_default(three: Folder) -> None:
    three.write(".env", "A=1")
    three.write("b.env", "B=1")
    assert "A" not in plan(env_files=("b.env",)).specs[0].env


@pytest.mark.usefixtures("three")
def test_named_environment_file_must_exist() -> None:
    assert fault(env_files=("nope",)) == f"-e: nope does not exist (looked for {os.path.abspath('nope')})"


def test_virtualenv_called_like_the_default_file_is_passed_over(three: Folder) -> None:
    three.write(".env/pyvenv.cfg", "home = /usr/bin")
    assert names() == ["web.1", "worker.1", "clock.1"]


def test_other_directory_called_like_the_default_file_is_a_fault(three: Folder) -> None:
    (three.path / ".env").mkdir()
    assert fault() == ".env: is a directory, not a file of variables; name the right one with -e"


def test_provider_is_resolved_for_the_processes(three: Folder) -> None:
    three.write(".env", "REDIS_PROVIDER=REDISTOGO_URL\nREDISTOGO_URL=redis://h:1/0")
    assert plan().specs[0].env["REDIS_URL"] == "redis://h:1/0"


def test_provider_that_is_a_url_is_a_fault_where_sidekiq_is_in_the_plan(three: Folder) -> None:
    three.write(".env", "REDIS_PROVIDER=redis://h:1/0")
    assert "Sidekiq refuses to boot" in fault()


# --- which files, and where things run


def test_processes_run_in_the_folder_of_the_procfile_with_its_environment(folder: Folder) -> None:
    folder.write("app/Procfile.dev", "web: puma")
    folder.write("app/.env", "A=inner")
    folder.write(".env", "A=outer")
    spec = plan(procfile="app/Procfile.dev").specs[0]
    assert (spec.root, spec.env["A"]) == (str(folder.path / "app"), "inner")


def test_app_root_is_where_all_is_looked_for_and_run(folder: Folder) -> None:
    folder.write("app/sub/Procfile.dev", "web: puma")
    folder.write("app/.env", "A=1")
    folder.write("app/x.env", "A=2")
    spec = plan(app_root="app", procfile="sub/Procfile.dev").specs[0]
    assert (spec.root, spec.env["A"]) == (str(folder.path / "app"), "1")
    assert plan(app_root="app", procfile="sub/Procfile.dev", env_files=("x.env",)).specs[0].env["A"] == "2"


def test_app_root_finds_the_procfile(folder: Folder) -> None:
    folder.write("app/Procfile", "web: puma")
    assert plan(app_root="app").specs[0].root == str(folder.path / "app")


def test_environment_file_is_named_from_here_not_from_the_procfile(folder: Folder) -> None:
    folder.write("app/Procfile", "web: puma")
    folder.write("x.env", "A=here")
    assert plan(procfile="app/Procfile", env_files=("x.env",)).specs[0].env["A"] == "here"


def test_places_are_told_as_paths_from_here(folder: Folder) -> None:
    folder.write("app/Procfile", "web: puma\nweb: puma")
    folder.write("app/.env", "oops")
    assert fault(app_root="app").startswith("app/Procfile:2: ")
    folder.write("app/Procfile", "web: puma")
    assert [f.where for f in read(Wishes(procfile="app/Procfile"), {}).findings] == ["app/.env:1"]


def test_app_root_that_is_no_folder_is_refused(folder: Folder) -> None:
    assert fault(app_root="nope") == '-d: "nope" is no folder; name the one that the app is in'


@pytest.mark.usefixtures("folder")
def test_missing_procfile_is_a_fault_that_says_what_to_do() -> None:
    expected = "Procfile: does not exist; make one, as in `web: python app.py`, or name one with -f"
    assert fault() == expected


@pytest.mark.usefixtures("folder")
def test_missing_procfile_may_be_none_for_who_needs_none() -> None:
    assert read(Wishes(), {"A": "1"}, required=False).entries == ()


def test_procfile_that_is_a_folder_is_a_fault(folder: Folder) -> None:
    (folder.path / "Procfile").mkdir()
    assert fault() == "Procfile: cannot be read: Is a directory"


def test_environment_file_names_the_procfile(folder: Folder) -> None:
    folder.write("Procfile.dev", "js: node")
    folder.write("sub/Procfile", "other: node")
    folder.write(".env", "PROCFILE=Procfile.dev")
    assert names() == ["js.1"]
    assert names(procfile="sub/Procfile") == ["other.1"]


def test_shell_names_the_procfile(folder: Folder) -> None:
    folder.write("sub/Procfile.dev", "js: node")
    spec = plan({"PROCFILE": "sub/Procfile.dev"}).specs[0]
    assert (spec.name, spec.root) == ("js.1", str(folder.path / "sub"))


def test_dash_reads_the_procfile_from_standard_input(folder: Folder) -> None:
    made = folder.procrun("check", "-f", "-", text="web: true\nweb: true\n")
    assert (made.returncode, made.stderr) == (
        2,
        'procrun: stdin:2: "web" is in stdin:1 already; rename one of the two\n',
    )


def test_procfile_from_standard_input_runs_here_with_the_environment_from_here(folder: Folder) -> None:
    folder.write(".env", "A=1")
    made = folder.procrun("run", "-f", "-", "web", text='web: echo "$A $PWD"\n')
    assert made.stdout == f"1 {folder.path}\n"


# --- .foreman


def test_defaults_of_foreman_hold_where_the_command_line_says_nothing(folder: Folder) -> None:
    folder.write("app/Procfile.dev", "web: puma\nworker: x")
    folder.write("app/y.env", "A=1")
    text = "procfile: Procfile.dev\nroot: app\nenv: y.env\nport: 7000\nformation: worker=2\ntimeout: 3\napp: other\n"
    folder.write(".foreman", text)
    made = plan()
    assert {spec.name: spec.port for spec in made.specs} == {"worker.1": 7100, "worker.2": 7101}
    assert (made.specs[0].env["A"], made.budget) == ("1", 3.0)


def test_command_line_beats_the_defaults_of_foreman(three: Folder) -> None:
    three.write(".foreman", "port: 7000\nformation: worker=2\ntimeout: 3\nenv: nope\n")
    three.write("y.env", "")
    made = plan(port=8000, concurrency="web=2", timeout=4.0, env_files=("y.env",))
    assert [(spec.name, spec.port) for spec in made.specs][:2] == [("web.1", 8000), ("web.2", 8001)]
    assert (len(made.specs), made.budget) == (4, 4.0)


def test_concurrency_of_foreman_leaves_the_others_at_one(three: Folder) -> None:
    three.write(".foreman", "concurrency: worker=2\n")
    assert names() == ["web.1", "worker.1", "worker.2", "clock.1"]


def test_empty_file_of_foreman_says_nothing(three: Folder) -> None:
    three.write(".foreman", "# nothing yet\n")
    assert ports()["web.1"] == 5000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port: many", '.foreman: port: "many" is no port; give a number from 1 to 65535'),
        ("port: true", '.foreman: port: "true" is no port; give a number from 1 to 65535'),
        ("formation: {web: 2}", ".foreman: formation: takes one plain value, as on foreman's command line"),
        (
            "timeout: .nan",
            '.foreman: timeout: ".nan" is no time; give seconds, from above 0 to 1000000, as in 8 or 0.5',
        ),
        ("- web", ".foreman: is not `option: value` lines, as in `formation: web=2`"),
        ("web", ".foreman: is not `option: value` lines, as in `formation: web=2`"),
    ],
)
def test_fault_in_the_file_of_foreman_is_told(three: Folder, text: str, message: str) -> None:
    three.write(".foreman", text)
    assert fault() == message


def test_file_of_foreman_that_is_no_yaml_is_told(three: Folder) -> None:
    three.write(".foreman", "a: [")
    assert fault().startswith(".foreman:1:5: is no YAML: expected the node content, but found '<stream end>'; ")
    three.write(".foreman", "a: 'geheim\nb: *x\n")
    assert "geheim" not in fault()


# --- changes


def test_files_that_change_are_known(three: Folder) -> None:
    three.write("a.env", "A=1")
    sources = read(Wishes(env_files=("a.env",)), {})
    assert list(changed_files(sources)) == []
    three.write("a.env", "A=12")
    assert list(changed_files(sources)) == [str(three.path / "a.env")]
    (three.path / "Procfile").unlink()
    assert list(changed_files(sources)) == [str(three.path / "Procfile"), str(three.path / "a.env")]


def test_default_environment_file_that_comes_later_is_a_change(three: Folder) -> None:
    sources = read(Wishes(), {})
    three.write(".env", "A=1")
    assert list(changed_files(sources)) == [str(three.path / ".env")]


def test_what_is_no_plain_file_is_never_a_change(three: Folder) -> None:
    pipe = three.path / "pipe.env"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("A=1\n",))
    writer.start()
    sources = read(Wishes(env_files=("pipe.env",)), {})
    writer.join()
    assert sources.environment.variables["A"].value == "1"
    handle = os.open(pipe, os.O_RDWR)
    try:
        os.write(handle, b"A=2\n")
        assert list(changed_files(sources)) == []
    finally:
        os.close(handle)


def test_changes_are_known_from_another_folder(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = read(Wishes(), {})
    monkeypatch.chdir("/")
    assert list(changed_files(sources)) == []


# --- the folder that control commands talk to


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({}, "."),
        ({"procfile": "app/Procfile"}, "app"),
        ({"app_root": "app"}, "app"),
        ({"procfile": "-"}, "."),
    ],
)
def test_control_commands_find_the_folder_whatever_its_files_hold(
    folder: Folder, wishes: dict[str, Any], expected: str
) -> None:
    for name in ("Procfile", ".env", "app/Procfile", "app/.env"):
        folder.write(name, b"\xff\xfe: no\0thing")
    assert folder_of(Wishes(**wishes), {}) == os.path.normpath(folder.path / expected)


def test_control_commands_follow_the_procfile_that_the_environment_names(folder: Folder) -> None:
    folder.write(".env", "PROCFILE=sub/Procfile.dev")
    assert folder_of(Wishes(), {}) == str(folder.path / "sub")
