"""`.overmind.env` is read as `.foreman` is: its options, and its variables for the processes."""

import pytest

from procrun.core.errors import ConfigError
from procrun.plan.findings import lines
from procrun.plan.layout import Plan, build
from procrun.plan.options import Wishes
from tests.harness import Folder


@pytest.fixture
def app(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder.procfile("web: a", "worker: b", "clock: c")
    monkeypatch.chdir(folder.path)
    return folder


def plan(**wishes: object) -> Plan:
    return build(Wishes()._replace(**wishes), {})  # type: ignore[arg-type]


@pytest.mark.usefixtures("app")
def test_its_options_are_taken_over(app: Folder) -> None:
    app.write(
        ".overmind.env",
        "OVERMIND_PORT=7000\nOVERMIND_FORMATION=worker=2\nOVERMIND_TIMEOUT=3\nOVERMIND_IGNORED_PROCESSES=clock\n",
    )
    made = plan()
    assert [(spec.name, spec.port) for spec in made.specs] == [("web.1", 7000), ("worker.1", 7100), ("worker.2", 7101)]
    assert made.budget == 3


def test_its_procfile_is_the_one_that_is_read(app: Folder) -> None:
    app.write("Procfile.dev", "dev: x\n")
    app.write(".overmind.env", "OVERMIND_PROCFILE=Procfile.dev\n")
    assert [spec.name for spec in plan().specs] == ["dev.1"]


def test_options_on_the_command_line_and_of_foreman_beat_it(app: Folder) -> None:
    app.write(".overmind.env", "OVERMIND_PORT=7000\nOVERMIND_TIMEOUT=3\n")
    app.write(".foreman", "timeout: 4\n")
    made = plan(port=8000)
    assert (made.base_port, made.budget) == (8000, 4)


def test_its_variables_reach_the_processes_below_those_of_env(app: Folder) -> None:
    app.write(".overmind.env", "A=overmind\nB=overmind\nPORT=7000\n")
    app.write(".env", "B=env\n")
    made = plan()
    found = made.sources.environment.variables
    assert (found["A"], found["B"]) == (("overmind", ".overmind.env:1"), ("env", ".env:1"))
    assert made.base_port == 7000


def test_it_is_not_read_where_files_are_named(app: Folder) -> None:
    app.write(".overmind.env", "A=overmind\n")
    app.write("mine", "B=1\n")
    assert set(plan(env_files=("mine",)).sources.environment.variables) & {"A", "B"} == {"B"}


def test_option_without_a_counterpart_is_told_with_the_cure(app: Folder) -> None:
    app.write(".overmind.env", "\nOVERMIND_CAN_DIE=web\nOVERMIND_TITLE=shop\n")
    cure = "set essential = false for them in procrun.toml"
    assert lines(plan().sources.findings) == [
        f".overmind.env:2: OVERMIND_CAN_DIE is left unused; {cure} [unused-option]",
        ".overmind.env:3: OVERMIND_TITLE is left unused; it means nothing here [unused-option]",
    ]


def test_wrong_value_is_a_fault_with_its_line(app: Folder) -> None:
    app.write(".overmind.env", "A=1\nOVERMIND_PORT=web\n")
    with pytest.raises(ConfigError, match=r'^\.overmind\.env:2: OVERMIND_PORT: "web" is no port'):
        plan()


# --- a comma in the name of a file


def test_env_file_with_a_comma_in_its_name_can_be_given(app: Folder) -> None:
    app.write("a,b.env", "A=1\n")
    assert plan(env_files=("a,b.env",)).sources.environment.variables["A"] == ("1", "a,b.env:1")


def test_list_of_files_is_one_where_all_of_them_are_there(app: Folder) -> None:
    app.write("a,b.env", "A=1\n")
    app.write("a", "B=1\n")
    app.write("b.env", "C=1\n")
    assert set(plan(env_files=("a,b.env",)).sources.environment.variables) & {"A", "B", "C"} == {"B", "C"}


def test_missing_file_of_a_list_is_the_fault(app: Folder) -> None:
    app.write("a", "B=1\n")
    with pytest.raises(ConfigError, match=r"^-e: b\.env does not exist"):
        plan(env_files=("a,b.env",))
