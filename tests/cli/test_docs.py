"""What there is stands in the documentation, and what it links to is there."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from procrun.cli.main import COMMANDS, command_first, procrun
from procrun.control.protocol import Row
from procrun.core.spec import PLATFORMS
from procrun.plan.programs import profiles

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERYTHING = "\n".join(page.read_text() for page in PAGES)
REFERENCE = (ROOT / "docs/commands.md").read_text()


def options() -> Iterator[tuple[str, str]]:
    """Each command with each of its options, in every spelling."""
    with click.Context(procrun) as ctx:
        for name in COMMANDS:
            command = procrun.get_command(ctx, name)
            assert command is not None
            spellings = [flag for found in command.params if isinstance(found, click.Option) for flag in found.opts]
            yield from ((name, flag) for flag in spellings)


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by their first cell without backticks."""
    table = re.search(r"(?:^\|.*\n)+", text[text.index(f"## {heading}") :], re.MULTILINE)
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table[0].splitlines()[2:]]
    return {line[0].strip("` |"): line for line in cells}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_documentation(command: str) -> None:
    assert f"`procrun {command}" in REFERENCE


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_every_option_is_in_the_documentation_of_its_command(command: str, option: str) -> None:
    lines = [line.strip("|").split(" | ") for line in REFERENCE.splitlines() if line.startswith("| `-")]
    of = [line[1] for line in lines if re.search(rf"`{option}[` ]", line[0])]
    assert any(names.strip() == "all" or command in names.split(", ") for names in of)


@pytest.mark.parametrize("name", [*PLATFORMS, *sorted({profile.name for profile in profiles.PROFILES})])
def test_every_platform_and_profile_is_in_the_documentation(name: str) -> None:
    assert re.search(rf"`\"?{name}\"?`", EVERYTHING)


def test_every_store_has_its_row() -> None:
    stores = {profile.name for profile in profiles.PROFILES if profile.store}
    told = rows((ROOT / "docs/stores.md").read_text(), "Which programs")
    assert {name for first in told for name in re.findall(r"\w+", first)} == stores


def test_the_table_of_programs_is_what_procrun_knows() -> None:
    spec = importlib.util.spec_from_file_location("make_programs_table", ROOT / "docs/make_programs_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.table() in (ROOT / "docs/workers.md").read_text(), "make docs-programs prints it anew"


def test_every_key_of_ps_is_in_the_documentation() -> None:
    told = (ROOT / "docs/control.md").read_text()
    assert [key for key in Row.__struct_fields__ if f"`{key}`" not in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


def command_lines() -> Iterator[str]:
    """Command lines: those of the examples, and what those who come from another runner are told to type."""
    for page in PAGES:
        text = page.read_text()
        yield from re.findall(r"(?m)^(?:\$|   ) procrun ([a-z][^…\n]*)$", text)
        if page.name in ("README.md", "coming-from.md"):
            for cell in re.findall(r"(?m)^\|.* \| (.*) \|$", text):
                yield from re.findall(r"`(?:nohup )?procrun ([^`]*)`", cell)


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_line_is_one_that_procrun_takes(line: str) -> None:
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    typed = takewhile(lambda word: not set(word) <= set("|&;<>()"), words)  # what follows is the shell's
    with click.Context(procrun) as ctx:
        name, command, arguments = procrun.resolve_command(ctx, command_first(list(typed)))
        assert command is not None
        command.make_context(name, arguments, ctx)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()
    pages = {page.name for page in PAGES} - {"README.md", "index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


def test_floors_are_those_of_the_import_contract() -> None:
    told = re.search(r"## Floors.*?```\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    assert told is not None
    # Behind three blanks or more stands what a floor is for.
    floors = [re.sub(r" {3,}.*", "", floor, flags=re.MULTILINE).split() for floor in told[1].split("↓")]
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert floors == [layer.split(" | ") for layer in contract["layers"]]


def test_the_picture_of_the_architecture_is_drawn_from_the_imports() -> None:
    drawn = subprocess.run(
        [sys.executable, "-c", "import make_architecture as m; print(m.page(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert drawn == (ROOT / "docs/architecture.md").read_text(), "run python docs/make_architecture.py"


def test_each_promise_names_tests_that_there_are() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    texts = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for file, name in re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", page):
        text = texts[file]
        assert not name or f"def {name}(" in text, name
