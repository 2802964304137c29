"""What an app's own code sets of a program's settings, where it says so in the plain idiom.

Nothing is run and nothing is imported: the files that the program would load are searched for patterns.
"""

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from procrun.plan import textfile
from procrun.plan.programs import settings
from procrun.plan.programs.profile import Code

_MOST_FILES = 200

# What names another module of Python that holds settings: its name is the group.
_REFERENCES = (
    r"config_from_object\(\s*[\"']([\w.]+)",
    r"config_from_object\(\s*([\w.]+)\s*[,)]",
    r"DJANGO_SETTINGS_MODULE[\"']\s*[,\]]\s*=?\s*[\"']([\w.]+)",
    r"(?m)^from\s+(\.?[\w.]+)\s+import\s+\*",
)


def found(code: Code, words: Sequence[str], variables: Mapping[str, str], folder: str) -> list[tuple[str, str]]:
    """Each value that the code gives to the setting, with the file that does, as a path from `folder`.

    A pattern without a value has the empty one. The order is that of the patterns, then of the files.
    """
    texts = [(file, text) for file, text in _texts(code, words, variables, folder) if code.about in text]
    return [
        (match["value"] if "value" in match.groupdict() else "", file)
        for pattern in code.patterns
        for file, text in texts
        for match in re.finditer(pattern, text, re.DOTALL)
    ]


def holds(code: Code, words: Sequence[str], variables: Mapping[str, str], folder: str) -> bool:
    """Whether each of the patterns is in the code."""
    texts = [text for _, text in _texts(code, words, variables, folder)]
    return all(any(re.search(pattern, text) for text in texts) for pattern in code.patterns)


def _texts(code: Code, words: Sequence[str], variables: Mapping[str, str], folder: str) -> Iterator[tuple[str, str]]:
    files = _modules if code.module else _files
    for file in files(code, words, variables, folder):
        text = textfile.text(os.path.join(folder, file))
        if text:
            yield file, re.sub(r"(?m)^\s*#.*$", "", text)


def _files(code: Code, words: Sequence[str], variables: Mapping[str, str], folder: str) -> Iterator[str]:
    """The file that an option names, or the usual ones in the folder that it names."""
    given = settings.option(words, code.options) or "."
    if _is_file(given, folder):
        yield given
        return
    paths = (path for file in code.files for path in sorted(_glob(file, os.path.join(folder, given))))
    for _, path in zip(range(_MOST_FILES), paths, strict=False):
        yield os.path.normpath(os.path.join(given, path))


def _glob(pattern: str, folder: str) -> list[str]:
    return glob.glob(pattern, root_dir=folder, recursive=True)


def _modules(code: Code, words: Sequence[str], variables: Mapping[str, str], folder: str) -> Iterator[str]:
    """The file of the module that an option names, and of those that it takes settings from."""
    roots = [settings.option(words, ("--workdir",)) or "", *variables.get("PYTHONPATH", "").split(os.pathsep)]
    names = [
        (settings.option(words, code.options) or "").partition(":")[0],
        variables.get("DJANGO_SETTINGS_MODULE", ""),
    ]
    paths = [path for name in names for path in _of_module(name, "", roots, folder)]
    paths += [path for root in roots for file in code.files if _is_file(path := os.path.join(root, file), folder)]
    seen: set[str] = set()
    while paths and len(seen) < _MOST_FILES:
        path = paths.pop(0)
        if path in seen:
            continue
        seen.add(path)
        yield path
        text = textfile.text(os.path.join(folder, path))
        others = [name for pattern in _REFERENCES for name in re.findall(pattern, text)]
        paths += [each for name in others for each in _of_module(name, os.path.dirname(path), roots, folder)]


def _of_module(name: str, here: str, roots: Sequence[str], folder: str) -> list[str]:
    """The files that a module may be in, of those that are there; `.base` is looked for in the folder `here`."""
    if not name.strip("."):
        return []
    places = [here] if name[0] == "." else roots
    bases = [os.path.join(place, *name.strip(".").split(".")) for place in dict.fromkeys(places)]
    files = [file for base in bases for file in _files_of(base)]
    return [file for file in files if _is_file(file, folder)]


def _files_of(base: str) -> Iterator[str]:
    yield f"{base}.py"
    yield os.path.join(base, "__init__.py")
    yield os.path.join(base, "celery.py")  # where celery itself looks in a package
    if os.path.dirname(base):
        yield f"{os.path.dirname(base)}.py"  # `settings.Config`, a class in a module


def _is_file(path: str, folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, path))
