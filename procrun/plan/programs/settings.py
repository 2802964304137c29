"""What a program's own settings say: an option among its words, a line in its file."""

import os
import re
from collections.abc import Mapping, Sequence
from math import inf

from procrun.plan.programs import computed
from procrun.plan.programs.profile import Config

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS = {"forever": inf, "immediately": 0.0}  # puma's


def option(words: Sequence[str], options: Sequence[str]) -> str | None:
    """The value of an option, the last one: `-t 8`, `-t8`, `--timeout=8`."""
    found = None
    for word, following in zip(words, [*words[1:], ""], strict=False):
        for name in options:
            if word == name:
                found = following
            elif name.startswith("--") and word.startswith(f"{name}="):
                found = word.partition("=")[2]
            elif not name.startswith("--") and word.startswith(name):
                found = word.removeprefix(name).removeprefix("=")
    return found


def operands(words: Sequence[str], valued: Sequence[str]) -> list[str]:
    """The words that are neither options nor the values of `valued` ones."""
    before = ["", *words]
    return [word for last, word in zip(before, words, strict=False) if word[:1] != "-" and last not in valued]


def number(text: str) -> float | None:
    """Seconds: `8`, `0.5`, `10s`, `forever`; None for what must be computed first."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text)
    return float(match[1]) * _UNITS[match[2] or ""] if match else _WORDS.get(text)


def config_file(config: Config, words: Sequence[str], folder: str) -> str | None:
    """The file that holds the settings, as a path from `folder`: one that is named, or a default one that exists."""
    named = option(words, config.options)
    if named:
        return named
    given = [word for word in words[1:] if config.suffix and word.endswith(config.suffix)]
    there = (name for name in config.files if os.path.exists(os.path.join(folder, name)))
    return given[0] if given else next(there, None)


def seconds(
    config: Config, file: str, content: str, environment: str, variables: Mapping[str, str]
) -> list[float | None]:
    """What a file gives the setting: nothing, or its value; None for one that is computed in a way that is not read.

    A number in ERB counts, as `<%= ENV.fetch("T", 30) %>`, and plain Ruby and Python.
    """
    if config.sections:
        return [_of_text(found, variables) for found in _from_sections(config.setting, content, environment)]
    if file.endswith((".rb", ".ru", ".py")):
        found = computed.in_file(config.setting, content, {**variables})
        return [_of_value(each) for each in found]
    plain = re.findall(rf"(?m)^[ \t]*{config.setting}\b[ \t]*[:=(]*[ \t]*:?([^\s#,;)]+)", content)
    return [number(plain[0]) if len(plain) == 1 else None] if plain else []


def _of_text(text: str, variables: Mapping[str, str]) -> float | None:
    """A value of YAML, which may be one of ERB."""
    erb = re.fullmatch(r"<%=\s*(.*?)\s*-?%>", text)
    if erb is None:
        return number(text)
    try:
        return computed.number(computed.value(erb[1], variables))
    except (computed.UnclearError, RecursionError):
        return None


def _of_value(value: computed.Value) -> float | None:
    if isinstance(value, str):
        return number(value)
    return float(value) if isinstance(value, float | int) and not isinstance(value, bool) else None


def environment(words: Sequence[str], variables: Mapping[str, str]) -> str:
    """The environment that a Ruby program takes itself to be in (Sidekiq 6.4.1, cli.rb:211)."""
    named = option(words, ("-e", "--environment"))
    given = (variables.get(name) for name in ("APP_ENV", "RAILS_ENV", "RACK_ENV"))
    return named or next((value for value in given if value is not None), "development")


def _from_sections(setting: str, content: str, environment: str) -> list[str]:
    """The setting in YAML with sections, without reading YAML, which costs 10 ms: one level, merge keys included."""
    levels: dict[str, dict[str, str]] = {"": {}}
    anchors: dict[str, dict[str, str]] = {}
    section = ""
    for indent, key, value in re.findall(r"(?m)^([ \t]*):?[\"']?([\w<]+)[\"']?:[ \t]*([^#\n]*)", content):
        value = value.strip().strip("\"'")
        if not indent:
            section = ""
        if not indent and (not value or value[0] == "&"):
            section = key
            anchors[value[1:]] = levels.setdefault(key, {})
        elif key == "<<":
            levels[section] = {**anchors.get(value.lstrip("*"), {}), **levels[section]}
        else:
            levels[section].setdefault(key, value)
    found = levels.get(environment, {}).get(setting, levels[""].get(setting))
    return [] if found is None else [found]
