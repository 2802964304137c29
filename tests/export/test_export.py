"""`procrun export`: honcho's exporters and third parties', with the plan that start has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Folder

HONCHO = Path(sys.executable).parent / "honcho"
FORMATS = ["runit", "supervisord", "systemd", "upstart"]
NOTE = "procrun: stop sequences and budgets are not carried over to the exported files yet; set them there by hand\n"


@pytest.fixture
def app(folder: Folder) -> Folder:
    folder.procfile("web: puma -p $PORT", "worker: echo '100%' \"$A\"")
    folder.write(".env", 'A=1\nB="two words"\n')
    return folder


def written(root: Path) -> dict[str, str]:
    """Every file below `root`, without PS, which honcho does not set."""
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file() and path.name != "PS"}
    return {name: _without_ps(path.read_text()) for name, path in files.items()}


def _without_ps(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(("Environment=PS=", "env PS="))]
    return "\n".join(lines).replace(",PS=web.1", "").replace(",PS=worker.1", "").replace(",PS=worker.2", "")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "options", [[], ["-a", "shop", "-c", "worker=2", "-u", "me", "-l", "/logs", "-s", "/bin/bash"]]
)
def test_files_are_those_of_honcho(app: Folder, format_: str, options: list[str]) -> None:
    subprocess.run([HONCHO, "export", format_, "theirs", *options], cwd=app.path, check=True, capture_output=True)
    made = app.procrun("export", format_, "ours", *options)
    assert (made.returncode, made.stderr) == (0, NOTE)
    assert written(app.path / "ours") == written(app.path / "theirs")
    for name in written(app.path / "ours"):
        modes = [os.stat(app.path / folder / name).st_mode & 0o111 for folder in ("ours", "theirs")]
        assert modes[0] == modes[1], name


def test_files_are_named_on_stdout(app: Folder) -> None:
    made = app.procrun("export", "systemd", "out", "-a", "shop")
    assert made.stdout.splitlines() == [
        "out/shop.target",
        "out/shop-web.target",
        "out/shop-web-1.service",
        "out/shop-worker.target",
        "out/shop-worker-1.service",
    ]


def test_instance_gets_its_port_and_name_whatever_this_shell_has(app: Folder) -> None:
    app.procrun("export", "systemd", "out", "-a", "shop", env={"PS": "outer", "PORT": "7000"})
    unit = (app.path / "out/shop-worker-1.service").read_text().splitlines()
    assert {"Environment=PS=worker.1", "Environment=PORT=7100"} <= set(unit)


def test_variables_of_this_shell_stay_here(app: Folder) -> None:
    app.procrun("export", "systemd", "out", "-a", "shop", env={"OF_THIS_SHELL": "1"})
    assert "OF_THIS_SHELL" not in (app.path / "out/shop-web-1.service").read_text()


def test_formation_port_and_exclusion_of_release_are_those_of_start(app: Folder) -> None:
    app.procfile("release: migrate", "web: puma", "worker: sidekiq")
    app.procrun("export", "runit", "out", "-a", "shop", "-m", "worker=2", "-p", "7000")
    ports = {path.parts[-3]: path.read_text() for path in (app.path / "out").rglob("PORT")}
    assert ports == {"shop-worker-1": "7100", "shop-worker-2": "7101"}


def test_app_is_called_like_its_folder_unless_told(folder: Folder) -> None:
    folder.write("shop/Procfile", "web: puma")
    folder.procrun("export", "supervisord", "out", "-d", "shop")
    assert "directory=" + str(folder.path / "shop") in (folder.path / "out/shop.conf").read_text()


def test_options_may_stand_before_the_command(app: Folder) -> None:
    assert app.procrun("-a", "shop", "-p", "7000", "export", "systemd", "out").returncode == 0
    assert "PORT=7000" in (app.path / "out/shop-web-1.service").read_text()


def test_templates_of_ones_own_replace_the_packaged_ones(app: Folder) -> None:
    app.write("mine/supervisord.conf", "{{ app }}: {% for p in processes %}{{ p.name }} {% endfor %}")
    made = app.procrun("export", "supervisord", "out", "-a", "shop", "-t", "mine")
    assert made.returncode == 0, made.stderr
    assert (app.path / "out/shop.conf").read_text() == "shop: web.1 worker.1 "


def test_missing_templates_are_a_fault(app: Folder) -> None:
    made = app.procrun("export", "systemd", "out", "-t", "nope")
    assert made.returncode == 2
    assert made.stderr.startswith("procrun: export: the systemd exporter failed: TemplateNotFound: 'master.target'")
    assert made.stderr.count("\n") == 1


def test_unknown_format_is_a_fault_that_lists_the_formats(app: Folder) -> None:
    made = app.procrun("export", "systmed", "out")
    expected = 'procrun: export: no format "systmed"; there are: runit, supervisord, systemd, upstart\n'
    assert (made.returncode, made.stderr) == (2, expected)
    assert not (app.path / "out").exists()


def test_folder_that_cannot_be_written_is_a_fault(app: Folder) -> None:
    made = app.procrun("export", "systemd", "/dev/null/out", "-a", "shop")
    expected = "procrun: /dev/null/out/shop.target: cannot be written: Not a directory\n"
    assert (made.returncode, made.stderr) == (2, expected)


def test_file_in_place_of_the_folder_is_a_fault(app: Folder) -> None:
    made = app.procrun("export", "systemd", "Procfile")
    assert made.returncode == 2
    assert "'Procfile' is a file" in made.stderr


def test_faulty_procfile_is_a_fault_and_writes_nothing(app: Folder) -> None:
    app.procfile("web:")
    assert app.procrun("export", "systemd", "out").returncode == 2
    assert not (app.path / "out").exists()


# --- what a file cannot hold


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("value", ["a\\nUser=root", "a\\rb", "a\nb"])
def test_value_that_would_become_a_directive_is_refused(app: Folder, format_: str, value: str) -> None:
    app.write(".env", f'A=1\n\nEVIL="{value}"\n')
    made = app.procrun("export", format_, "out", "-a", "shop")
    expected = f"procrun: .env:3: EVIL holds a line's end, which a {format_} file cannot hold yet; change it\n"
    assert (made.returncode, made.stderr) == (2, expected)
    assert not (app.path / "out").exists()


@pytest.mark.parametrize(
    ("format_", "value", "why"),
    [
        ("systemd", "50%", "a `%` or a `\\`"),
        ("systemd", "a\\b", "a `%` or a `\\`"),
        ("upstart", "a\\b", "a `\\`"),
        ("runit", "'a '", "a blank at its end"),
        *(
            ("supervisord", value, "a quote, a comment's sign, or a `@`, `%`, `=` or `,` and no blank")
            for value in ("a,EVIL=b", "it's", '"a ;b"', '"a #b"', "ada@example.com", "50%")
        ),
    ],
)
def test_value_that_would_become_another_one_is_refused(app: Folder, format_: str, value: str, why: str) -> None:
    app.write(".env", f"A=1\n\nVALUE={value}\n")
    made = app.procrun("export", format_, "out", "-a", "shop")
    expected = f"procrun: .env:3: VALUE holds {why}, which a {format_} file cannot hold yet; change it\n"
    assert (made.returncode, made.stderr) == (2, expected)
    assert not (app.path / "out").exists()


@pytest.mark.parametrize("format_", ["supervisord", "systemd", "upstart"])
def test_command_whose_quotes_end_it_early_is_refused(app: Folder, format_: str) -> None:
    app.procfile("web: puma", "worker: echo 'two words'")
    made = app.procrun("export", format_, "out", "-a", "shop")
    why = f"quotes or a ` ;` that end it early, which a {format_} file cannot hold yet; change it"
    assert (made.returncode, made.stderr) == (2, f"procrun: Procfile:2: the command of worker holds {why}\n")
    assert not (app.path / "out").exists()


@pytest.mark.parametrize("format_", FORMATS)
def test_folder_with_a_line_in_its_name_is_refused(folder: Folder, format_: str) -> None:
    folder.write("a\nUser=root/Procfile", "web: puma\n")
    made = folder.procrun("export", format_, "out", "-a", "shop", "-d", "a\nUser=root")
    why = f"its name holds a line's end, which a {format_} file cannot hold yet; change it"
    assert (made.returncode, made.stderr) == (2, f"procrun: the app's folder: {why}\n")
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize("format_", ["runit", "upstart"])
def test_folder_that_a_shell_would_take_for_a_command_is_refused(folder: Folder, format_: str) -> None:
    folder.write("a$(id)/Procfile", "web: puma\n")
    made = folder.procrun("export", format_, "out", "-a", "shop", "-d", "a$(id)")
    why = f"its name holds what is no plain word to a shell, which a {format_} file cannot hold yet; change it"
    assert (made.returncode, made.stderr) == (2, f"procrun: the app's folder: {why}\n")


@pytest.mark.parametrize(("option", "value"), [("--user", "me\nX=1"), ("--log", "/l\nX=1"), ("--app", "../x")])
def test_option_that_no_file_can_hold_is_refused(app: Folder, option: str, value: str) -> None:
    made = app.procrun("export", "systemd", "out", option, value)
    assert made.returncode == 2
    assert made.stderr.startswith(f"procrun: {option}: the {option[2:]} holds ")
    assert not (app.path / "out").exists()


# --- exporters of third parties

THIRD_PARTY = """
from honcho.export.base import BaseExport, File

class Export(BaseExport):
    def get_template_loader(self):
        return None

    def render(self, processes, context):
        yield File("sub/run.txt", "".join(f"{p.name} {p.cmd} {p.env['PORT']}\\n" for p in processes), executable=True)
        yield File("context.txt", " ".join(sorted(context)))

class Broken(Export):
    def render(self, processes, context):
        raise KeyError("it's broken")
"""


@pytest.fixture
def third_party(app: Folder) -> dict[str, str]:
    """An installed package with two exporters; the environment in which it is found."""
    app.write("site/thirdparty.py", THIRD_PARTY)
    app.write("site/thirdparty-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    points = "[honcho_exporters]\nlist = thirdparty:Export\nbroken = thirdparty:Broken\ngone = thirdparty:Nope\n"
    app.write("site/thirdparty-1.0.dist-info/entry_points.txt", points)
    return {"PYTHONPATH": str(app.path / "site")}


def test_exporter_of_a_third_party_is_found_and_used(app: Folder, third_party: dict[str, str]) -> None:
    made = app.procrun("export", "list", "out", env=third_party)
    assert (made.returncode, made.stdout) == (0, "out/sub/run.txt\nout/context.txt\n")
    listed = app.path / "out/sub/run.txt"
    assert listed.read_text().splitlines()[0] == "web.1 puma -p $PORT 5000"
    assert os.access(listed, os.X_OK)
    assert (app.path / "out/context.txt").read_text() == "app app_root log shell user"


def test_exporter_of_a_third_party_is_named_in_the_help(app: Folder, third_party: dict[str, str]) -> None:
    made = app.procrun("export", "--help", env=third_party)
    assert "Formats: broken, gone, list, runit, supervisord, systemd, upstart" in made.stdout


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("broken", 'the broken exporter failed: KeyError: "it\'s broken"'),
        ("gone", "the gone exporter failed: AttributeError: module 'thirdparty' has no attribute 'Nope'"),
    ],
)
def test_exporter_that_fails_is_a_fault_in_one_line(
    app: Folder, third_party: dict[str, str], format_: str, message: str
) -> None:
    made = app.procrun("export", format_, "out", env=third_party)
    assert (made.returncode, made.stderr) == (2, f"procrun: export: {message}\n")
    assert not (app.path / "out").exists()
