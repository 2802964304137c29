"""What is told where the app is not here: the app above, and the Procfile of another name."""

import os

import pytest

from procrun.control import client
from procrun.core.errors import ConfigError
from procrun.plan.options import Wishes
from procrun.plan.sources import read
from tests.harness import TERM, Folder


def fault(**wishes: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(Wishes(**wishes), {})  # type: ignore[arg-type]
    return str(caught.value)


def below(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str = "app/models") -> None:
    """Go to a folder below the app's."""
    (folder.path / name).mkdir(parents=True)
    monkeypatch.chdir(folder.path / name)


def test_a_command_below_the_app_names_the_run_above(folder: Folder) -> None:
    folder.procfile("web: echo here; exec sleep 1000")
    run = folder.start()
    run.wait_for("web.1 +. here")
    (folder.path / "app/models").mkdir(parents=True)

    for command in (["ps"], ["logs", "-f"]):
        result = folder.procrun(*command[:1], "-d", "app/models", *command[1:])
        assert result.returncode == 1
        assert result.stderr == (
            f"procrun: nothing runs in {folder.path}/app/models; the app in {folder.path} runs: "
            f"go there, or use -d {folder.path}\n"
        )
    run.finish(TERM)


def test_a_command_below_an_app_that_does_not_run_names_its_folder(folder: Folder) -> None:
    folder.procfile("web: true")
    assert str(client.nothing_runs(f"{folder.path}/lib/x")) == (
        f"nothing runs in {folder.path}/lib/x, nor in {folder.path}, where a Procfile is; "
        f"go there, or use -d {folder.path} to start it"
    )


def test_an_app_of_its_own_below_another_one_is_the_one_that_is_meant(folder: Folder) -> None:
    folder.procfile("web: true")
    folder.write("engine/Procfile", "web: true")
    text = f"nothing runs in {folder.path}/engine; start it with `procrun start`"
    assert str(client.nothing_runs(f"{folder.path}/engine")) == text


@pytest.mark.parametrize("name", ["app/models", "a folder"])
def test_a_start_below_the_app_names_its_folder(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder.procfile("web: true")
    below(folder, monkeypatch, name)
    expected = f"Procfile: does not exist; the app in {folder.path} has one: go there, or use -d {folder.path}"
    assert fault() == expected
    monkeypatch.chdir(folder.path)
    assert fault(app_root=name).endswith(expected)


def test_a_folder_that_everybody_can_write_to_is_no_app_above(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.procfile("web: true")
    os.chmod(folder.path, 0o1777)
    below(folder, monkeypatch)
    assert fault().startswith("Procfile: does not exist; make one")
    assert str(client.nothing_runs(os.getcwd())).endswith("; start it with `procrun start`")


@pytest.mark.parametrize(
    ("there", "wishes", "expected"),
    [
        (["Procfile.dev"], {}, "Procfile: does not exist, but Procfile.dev does; name it with -f Procfile.dev"),
        (
            ["Procfile.dev", "Procfile.dev~", "Procfile.test.swp"],
            {},
            "Procfile: does not exist, but Procfile.dev does; name it with -f Procfile.dev",
        ),
        (
            ["Procfile.dev", "Procfile.test"],
            {},
            "Procfile: does not exist, but Procfile.dev and Procfile.test do; name one, as in -f Procfile.dev",
        ),
        (
            ["Procfile.a", "Procfile.b", "Procfile.c", "Procfile.d", "Procfile.e"],
            {},
            "Procfile: does not exist, but Procfile.a, Procfile.b, Procfile.c and 2 more do; name one, as in "
            "-f Procfile.a",
        ),
        (["procfile"], {}, "Procfile: does not exist, but procfile does; name it with -f procfile"),
        (
            ["sub/Procfile.dev"],
            {"app_root": "sub"},
            "sub/Procfile: does not exist, but Procfile.dev does; name it with -f Procfile.dev",
        ),
        (
            ["sub/Procfile.my dev"],
            {"procfile": "sub/Procfile"},
            "sub/Procfile: does not exist, but Procfile.my dev does; name it with -f 'sub/Procfile.my dev'",
        ),
        (
            ["Procfile"],
            {"procfile": "Procfile.dev"},
            "Procfile.dev: does not exist, but Procfile does; name it with -f Procfile",
        ),
    ],
)
def test_a_procfile_of_another_name_is_named(
    folder: Folder, there: list[str], wishes: dict[str, str], expected: str
) -> None:
    for name in there:
        folder.write(name, "web: true")
    assert fault(**wishes) == expected
