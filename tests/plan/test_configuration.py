"""docs/configuration.md against the code: every key with its type, its unit and its real default, and nothing else.

A key more is its reader in config.py, its field in model.py, its row in the page and a line in the page's example. A
table inside a key (`ready = { port = 3000 }`) is one line more in TABLES.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from procrun.core.errors import ConfigError
from procrun.core.spec import AliveCheck, ProgramConfig, Readiness
from procrun.plan import config, layout, probe_config
from procrun.plan.options import Config, Heroku, ProcessConfig, Wishes
from tests.cli.test_docs import ROOT, rows
from tests.harness import Folder

PAGE = (ROOT / "docs/configuration.md").read_text()
CASE = "web: true\nclock: true\nredis: redis-server\n"
WRONG_VALUES = ("0", "-1", "nan", "1e99", "true", '""', '"\\u0000"', "[]", "[[]]", "{}", "1979-05-27")


class Table(NamedTuple):
    """A table's keys with their types, the value that has their defaults, and a file with a place for a line of it."""

    types: Mapping[str, str | None]
    defaults: object
    file: str

    def path(self) -> list[str]:
        """The tables that it is in, the name of the process type being `*`."""
        path: list[str] = []
        found = tomllib.loads(self.file.format("here = 1"))
        while "here" not in found:
            name, found = next(item for item in found.items() if isinstance(item[1], dict))
            path.append("*" if path in (["process"], ["program"]) else name)
        return path


def types(readers: Mapping[str, object]) -> dict[str, str | None]:
    """The type and the unit of each key, as its reader tells them."""
    return {key: reader.__doc__ for key, reader in readers.items()}


TABLES = {
    "At the top": Table(types(config._KEYS), Config(), "{}\n[process.web]\n"),
    "Of one process type": Table(types(config._PROCESS_KEYS), ProcessConfig(), "[process.web]\n{}\n"),
    "Of a program of your own": Table(
        types(config._PROGRAM_KEYS), ProgramConfig(), '[program.web]\nprograms = ["x"]\n{}\n'
    ),
    "Of the simulated dyno": Table(types(config._HEROKU_KEYS), Heroku(), "[heroku]\n{}\n"),
    "Of `ready`": Table(
        {**types(probe_config.KINDS), "within": "seconds", "every": f"seconds, from {probe_config.FASTEST}"},
        Readiness(""),
        "[process.web.ready]\nport = 3000\n{}\n",
    ),
    "Of `alive`": Table(
        {
            **types({kind: probe_config.KINDS[kind] for kind in ("port", "http", "command")}),
            "every": f"seconds, from {probe_config.OFTENEST}",
            "within": "seconds",
            "failures": "number, 1 to 1000",
        },
        AliveCheck("", ""),
        "[process.web.alive]\nport = 3000\n{}\n",
    ),
}
"""By the headings of the page."""

KEYS = [(heading, key) for heading, table in TABLES.items() for key in table.types]


def blocks() -> Iterator[str]:
    """The whole files among the page's examples."""
    return (found[1] for found in re.finditer(r"```toml\n(.*?)```", PAGE, re.DOTALL))


def literal(cell: str) -> str | None:
    """The TOML in a cell that tells a default; None where it is told in words."""
    text = cell.strip("`")
    try:
        tomllib.loads(f"key = {text}")
    except ValueError:
        return None
    return text


def planned(folder: Folder, heading: str, lines: str = "") -> object:
    """What would be started, and how it would be stopped, by a configuration with these lines more."""
    folder.write("Procfile", CASE)
    folder.write("procrun.toml", TABLES[heading].file.format(lines))
    return layout.build(Wishes(), {}).specs


def read(folder: Folder) -> Config:
    """What procrun.toml says, but for where it says it."""
    found = config.load(str(folder.path))
    return found._replace(
        processes={name: each._replace(places={}) for name, each in found.processes.items()},
        programs={name: each._replace(places={}) for name, each in found.programs.items()},
    )


def given(file: Mapping[str, Any], path: Sequence[str]) -> set[str]:
    """The keys that a file has in the tables at `path`."""
    if not path:
        return set(file)
    names = file if path[0] == "*" else [name for name in file if name == path[0]]
    return {key for name in names for key in given(file[name], path[1:])}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_its_row_and_no_other(heading: str) -> None:
    told = rows(PAGE, heading)
    assert set(told) == set(TABLES[heading].types)
    assert all(len(row) == 4 and all(row) for row in told.values())


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_a_key_is_told_with_the_type_and_the_unit_of_its_reader(heading: str, key: str) -> None:
    told = TABLES[heading].types[key]
    assert rows(PAGE, heading)[key][1] == told, "it is the docstring of the reader"


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_a_default_that_is_told_as_a_value_is_what_holds_without_the_key(
    folder: Folder, heading: str, key: str
) -> None:
    default = getattr(TABLES[heading].defaults, key, None)
    text = literal(rows(PAGE, heading)[key][2])
    assert text is not None or default is None, f"the default is {default!r}"
    if text is None:
        return
    beside = 'stop_sequence = "term, 5, kill"\n' if key == "no_kill" else ""
    found = planned(folder, heading, f"{beside}{key} = {text}"), read(folder)
    without = planned(folder, heading, beside), read(folder)
    assert found[default is not None] == without[default is not None]


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_no_wrong_value_is_more_than_a_fault(folder: Folder, heading: str, key: str) -> None:
    for value in WRONG_VALUES:
        try:
            planned(folder, heading, f"{key} = {value}")
        except ConfigError as error:
            assert "procrun.toml" in str(error)


def test_the_examples_load_and_the_last_has_every_key(folder: Folder) -> None:
    folder.procfile(*(f"{name}: true" for name in ("web", "worker", "mailer", "clock", "redis", "search", "migrate")))
    folder.write(".cloud66/manifest.yml", "staging:\n  procfile_metadata: {}\n")
    for block in blocks():
        folder.write("procrun.toml", block)
        assert layout.build(Wishes(), {}).specs

    file = tomllib.loads(block)
    tables = {table.path()[0] for table in TABLES.values() if table.path()}
    for table in TABLES.values():
        there = given(file, table.path()) - (set() if table.path() else tables)
        assert there == set(table.types), "the complete example has one line of each key"
