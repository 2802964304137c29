"""Cloud 66's `.cloud66/manifest.yml`: its `procfile_metadata`, and nothing else of it.

The YAML nodes are read, not the values made of them: `no` and `1_0` stay as they are written, a merge key (YAML 1.1)
counts, and what other sections hold is never looked at.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from procrun.core.errors import ConfigError
from procrun.core.text import decoded, did_you_mean, from_here, place, plain, shown
from procrun.plan import textfile
from procrun.plan.options import ProcessConfig

SECTION = "procfile_metadata"
_APPS = ("rails", "rack", "sinatra", "padrino", "node", "django", "laravel", "php", "docker")
"""Components that are the app itself: a level of theirs may stand above or below the environment's."""
_WEB = ("web", "custom_web")
"""Cloud 66 runs `custom_web` in the place of `web`; a Procfile may have either, so each gets what both are given."""
_ALIASES = {"web_server_stop_signals": "stop_sequence"}
"""What the vendor's pages called a key before."""
_KEYS = ("stop_sequence", "restart_signal", "restart_on_deploy")
_Merged = dict[int, dict[str, yaml.Node]]
"""The keys of each mapping that was looked at, by its `id`."""
_Said = dict[str, tuple[object, str]]
"""Of one process type: the value of each key, and the place where it stands."""
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def load(path: str, environment: str) -> Mapping[str, ProcessConfig]:
    """What the manifest at `path` says of each process type in `environment`; nothing where it has no such section.

    The section may stand at the top (for all environments), below the environment, and below the app's component;
    the nearer one beats the more general one key by key. Raises ConfigError for a file that cannot be read or is no
    YAML, for unknown keys and wrong values, and where the section is there for other environments only.
    """
    name = from_here(path)
    root = _compose(path, name)
    merged: _Merged = {}
    try:
        found = list(_sections(merged, root, environment))
        if not found:
            _refuse_other_environments(merged, root, environment, name)
        given: dict[str, _Said] = {}
        for levels, section in found:
            where = f"{name}: {'.'.join((*map(plain, levels), SECTION))}"
            for type_, node in _children(merged, section, where).items():
                given.setdefault(type_, {}).update(_process(merged, node, f"{where}.{plain(type_)}"))
    except (yaml.YAMLError, RecursionError) as error:
        raise no_yaml(error, "", name) from None
    web = {**given.get("web", {}), **given.get("custom_web", {})}
    given |= dict.fromkeys(_WEB, web) if web else {}
    return {type_: _config(said) for type_, said in given.items()}


def _config(said: _Said) -> ProcessConfig:
    values: dict[str, Any] = {key: value for key, (value, _) in said.items()}
    return ProcessConfig(**values, places={key: where for key, (_, where) in said.items()})


def _compose(path: str, name: str) -> yaml.Node | None:
    """The file as a tree of nodes."""
    try:
        text = decoded(textfile.read(path, name, largest=textfile.SETTINGS), name)
    except FileNotFoundError:
        raise ConfigError("does not exist; correct `metadata` in procrun.toml", name) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", name) from None
    try:
        root = yaml.SafeLoader(text).get_single_node()
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise no_yaml(error, text, name) from None
    if root is not None and not isinstance(root, yaml.MappingNode) and not _is_empty(root):
        raise ConfigError("is no manifest: it has no sections, as in `production:`", name)
    return root


def no_yaml(error: Exception, text: str, name: str) -> ConfigError:
    """The one-line fault for what PyYAML raises, with line and column where it knows them."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        name = f"{name}:{mark.line + 1}:{mark.column + 1}"
    elif isinstance(error, yaml.reader.ReaderError):
        name = place(name, text, error.position)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    hint = "indent with blanks, not with tabs" if "\\t" in problem else "look at the indent and the quotes there"
    return ConfigError(f"is no YAML: {plain(problem, 100)}; {hint}", name)


def _sections(merged: _Merged, root: yaml.Node | None, environment: str) -> Iterator[tuple[tuple[str, ...], yaml.Node]]:
    """Each section that counts, behind its levels; the more general ones first."""
    above = [(), *((app,) for app in _APPS), (environment,)]
    both = [*((environment, app) for app in _APPS), *((app, environment) for app in _APPS)]
    for levels in dict.fromkeys((*above, *both)):
        node = root
        for level in (*levels, SECTION):
            node = _keys(merged, node).get(level)
        if node is not None:
            yield levels, node


def _refuse_other_environments(merged: _Merged, root: yaml.Node | None, environment: str, name: str) -> None:
    """Raise ConfigError where the section is there, but not for `environment`: its sequences would be lost unseen."""
    others = [
        level
        for level, node in _keys(merged, root).items()
        if SECTION in _keys(merged, node)
        or any(SECTION in _keys(merged, child) for child in _keys(merged, node).values())
    ]
    if others:
        text = f"no {SECTION} for {shown(environment)}, only under: {', '.join(map(plain, others))}"
        raise ConfigError(f"{text}; set `environment` in procrun.toml to one of them", name)


def _process(merged: _Merged, node: yaml.Node, where: str) -> _Said:
    said: _Said = {}
    for key, value in _children(merged, node, where).items():
        at = f"{where}.{plain(key)}"
        target = _ALIASES.get(key, key)
        if target not in _KEYS:
            hint = did_you_mean(key, _KEYS, f"; there are: {', '.join(_KEYS)}")
            raise ConfigError(f"unknown key{hint}", at)
        if target == key or target not in said:
            said[target] = (_value(target, value, at), at)
    return said


def _value(key: str, node: yaml.Node, where: str) -> object:
    if key == "stop_sequence" and isinstance(node, yaml.SequenceNode):
        return tuple(_scalar(item, where) for item in node.value)
    text = _scalar(node, where)
    if key != "restart_on_deploy":
        return text
    if text.lower() not in _FLAGS:
        raise ConfigError(f"takes true or false; this is {shown(text)}", where)
    return _FLAGS[text.lower()]


def _scalar(node: yaml.Node, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError("takes one plain value, as in `stop_sequence: tstp, 120, term, 30, kill`", where)
    return str(node.value)


def _children(merged: _Merged, node: yaml.Node, where: str) -> dict[str, yaml.Node]:
    """The keys of a mapping; none of an empty value. Raises ConfigError for anything else."""
    if not isinstance(node, yaml.MappingNode) and not _is_empty(node):
        raise ConfigError("takes keys, one a line, as in `stop_sequence: tstp, 120, term, 30, kill`", where)
    return _keys(merged, node)


def _keys(merged: _Merged, node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The keys of a mapping as written, merge keys resolved; none of anything else.

    Each mapping once: PyYAML copies what is merged at every place, so that a few lines of merges fill any memory.
    """
    if not isinstance(node, yaml.MappingNode):
        return {}
    if id(node) in merged:
        return merged[id(node)]
    merged[id(node)] = {}  # for a mapping that merges itself
    own: dict[str, yaml.Node] = {}
    below: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for source in reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    text = "expected a mapping or list of mappings for merging"
                    raise yaml.MarkedYAMLError(problem=text, problem_mark=source.start_mark)
                below |= _keys(merged, source)
        else:
            own[str(key.value) if isinstance(key, yaml.ScalarNode) else "?"] = value
    merged[id(node)] = {**below, **own}
    return merged[id(node)]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
