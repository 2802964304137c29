"""Patterns of files: what each of them means, and in which folders it is looked for."""

from pathlib import Path

import pytest

from procrun.eventloop.globs import read, survey

PATHS = (
    "a.py",
    ".env",
    ".env.local",
    "app/views.py",
    "app/views.txt",
    "app/.hidden.py",
    "app/.git/config.py",
    "app/deep/er/models.py",
    "app/x1.py",
    "app/x[1].py",
    "config/one.yml",
    "config/two.json",
)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["app/**/*.py"], {"app/views.py", "app/deep/er/models.py", "app/x1.py", "app/x[1].py"}),
        (["*.py"], {"a.py"}),
        (["./a.py"], {"a.py"}),
        (["**/*.py", "!app"], {"a.py"}),
        (["**/*.py", "!**/deep"], {"a.py", "app/views.py", "app/x1.py", "app/x[1].py"}),
        (["!**/deep/**", "app/**/m*"], set()),
        (["app/*"], {"app/views.py", "app/views.txt", "app/x1.py", "app/x[1].py"}),
        (["app/"], {"app/views.py", "app/views.txt", "app/deep/er/models.py", "app/x1.py", "app/x[1].py"}),
        (["app/*/er/*.py", "app/**/er/models.py"], {"app/deep/er/models.py"}),
        (["app/x?.py"], {"app/x1.py"}),
        (["app/x[[]1].py"], {"app/x[1].py"}),
        (["app/x[0-9].py"], {"app/x1.py"}),
        (["app/[!x]*.py"], {"app/views.py"}),
        (["app/[^x]*.py"], {"app/views.py"}),
        (["config/*.{yml,json}"], {"config/one.yml", "config/two.json"}),
        (["{config,app}/*.{yml,t{x,e}t}"], {"config/one.yml", "app/views.txt"}),
        ([".env*"], {".env", ".env.local"}),
        ([".env"], {".env"}),
        (["app/.hidden.py"], {"app/.hidden.py"}),
        (["app/.git/*.py"], {"app/.git/config.py"}),
        (["nothing/**"], set()),
        (["app/../a.py"], {"a.py"}),
    ],
)
def test_what_a_pattern_means(tmp_path: Path, patterns: list[str], expected: set[str]) -> None:
    for name in PATHS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root = str(tmp_path)
    globs = read(patterns, root)

    assert {str(Path(path).relative_to(root)) for path in survey([globs], root).files} == expected
    assert {name for name in PATHS if globs.match(f"{root}/{name}")} == expected


def test_pattern_may_lead_out_of_the_app(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/x.py").touch()
    (tmp_path / "app").mkdir()
    root = str(tmp_path / "app")

    for pattern in ("../lib/**/*.py", f"{tmp_path}/lib/*.py"):
        assert list(survey([read([pattern], root)], root).files) == [f"{tmp_path}/lib/x.py"]


def test_folders_that_are_left_out_are_not_even_watched(tmp_path: Path) -> None:
    for name in ("app/ok", "app/node_modules/x", "app/.git/objects", "app/env", "app/static/x", "log"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "app/env/pyvenv.cfg").touch()
    root = str(tmp_path)

    found = survey([read(["**/*.py", "!app/static"], root, ["log"])], root)

    assert {str(Path(folder).relative_to(root)) for folder in found.folders} == {".", "app", "app/ok"}


def test_folder_of_installed_packages_is_watched_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "node_modules/mine").mkdir(parents=True)
    (tmp_path / "node_modules/mine/index.js").touch()
    root = str(tmp_path)

    assert list(survey([read(["node_modules/mine/**"], root)], root).files) == [f"{root}/node_modules/mine/index.js"]


def test_a_pattern_goes_no_deeper_than_it_says(tmp_path: Path) -> None:
    (tmp_path / "app/deep/er").mkdir(parents=True)
    root = str(tmp_path)

    found = survey([read(["app/*/*.py"], root)], root)

    assert {str(Path(folder).relative_to(root)) for folder in found.folders} == {".", "app", "app/deep"}


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/up").symlink_to("..")
    (tmp_path / "app/self").symlink_to("self")
    (tmp_path / "app/x.py").touch()
    root = str(tmp_path)

    assert f"{root}/app/x.py" in survey([read(["**/*.py"], root)], root).files
