"""docs/configuration.md against the code: every key with its type, its unit and its real default, and nothing else.

A key more is its reader in config.py, its field in model.py, its row in the page and a line in the page's example. A
table inside a key (`ready = { port = 3000 }`) is one line more in TABLES.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from procrun import config, plan
from procrun.errors import ConfigError
from procrun.model import Config, ProcessConfig, Wishes
from tests.harness import Folder
from tests.test_docs import ROOT, rows

PAGE = (ROOT / "docs/configuration.md").read_text()
CASE = "web: true\nclock: true\nredis: redis-server\n"
WRONG_VALUES = ("0", "-1", "nan", "1e99", "true", '""', '"\\u0000"', "[]", "[[]]", "{}", "1979-05-27")


class Table(NamedTuple):
    """The readers of a table's keys, and the value that has their defaults."""

    readers: Mapping[str, Any]
    defaults: Any


TABLES = {
    "At the top": Table(config._KEYS, Config()),
    "Of one process type": Table(config._PROCESS_KEYS, ProcessConfig()),
}
"""By the headings of the page."""

KEYS = [(heading, key) for heading, table in TABLES.items() for key in table.readers]


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


def planned(folder: Folder, heading: str, line: str = "") -> object:
    """What would be started, and how it would be stopped, by a configuration with this line more."""
    top, web = (line, "") if heading == "At the top" else ("", line)
    folder.write("procrun.toml", f'platform = "server"\n{top}\n[process.web]\n{web}\n')
    return plan.build(Wishes(), {}).specs


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_its_row_and_no_other(heading: str) -> None:
    told = rows(PAGE, heading)
    assert set(told) == set(TABLES[heading].readers)
    assert all(len(row) == 4 and all(row) for row in told.values())


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_a_key_is_told_with_the_type_and_the_unit_of_its_reader(heading: str, key: str) -> None:
    assert rows(PAGE, heading)[key][1] == TABLES[heading].readers[key].__doc__


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_a_default_that_is_told_as_a_value_is_what_holds_without_the_key(
    folder: Folder, heading: str, key: str
) -> None:
    table = TABLES[heading]
    default = getattr(table.defaults, key)
    text = literal(rows(PAGE, heading)[key][2])
    assert text is not None or default is None, f"the default is {default!r}"
    if text is None:
        return
    if default is not None:
        assert table.readers[key](tomllib.loads(f"key = {text}")["key"]) == default
        return
    folder.write("Procfile", CASE)
    sequence = 'stop_sequence = "term, 5, kill"\n' if key == "no_kill" else ""
    assert planned(folder, heading, f"{sequence}{key} = {text}") == planned(folder, heading, sequence)


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_no_wrong_value_is_more_than_a_fault(folder: Folder, heading: str, key: str) -> None:
    for value in WRONG_VALUES:
        folder.write("Procfile", CASE)
        try:
            planned(folder, heading, f"{key} = {value}")
        except ConfigError as error:
            assert f"{key}" in str(error)


def test_the_examples_load_and_the_last_has_every_key(folder: Folder) -> None:
    folder.procfile(*(f"{name}: true" for name in ("web", "worker", "mailer", "clock", "redis", "search")))
    folder.write(".cloud66/manifest.yml", "staging:\n  procfile_metadata: {}\n")
    for block in blocks():
        folder.write("procrun.toml", block)
        assert plan.build(Wishes(), {}).specs
    found = config.load(str(folder.path))
    given = {"At the top": set(re.findall(r"(?m)^(\w+) = ", block.partition("\n[")[0]))}
    given["Of one process type"] = {key for process in found.processes.values() for key in process.places}
    assert given == {heading: set(table.readers) for heading, table in TABLES.items()}
