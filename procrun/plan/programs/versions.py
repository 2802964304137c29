"""Which version of a gem or package would run: what is locked or installed for the app; never a guess."""

import os
import re
from collections.abc import Mapping

from procrun.plan.textfile import text

Version = tuple[int, ...]

_PLACES = (
    "{root}/vendor/bundle/ruby/*/specifications",
    "~/.gem/ruby/*/specifications",
    "~/.local/share/gem/ruby/*/specifications",
    "~/.rbenv/versions/*/lib/ruby/gems/*/specifications",
    "~/.asdf/installs/ruby/*/lib/ruby/gems/*/specifications",
    "~/.rvm/gems/*/specifications",
    "/usr/local/bundle/specifications",
    "/usr/local/lib/ruby/gems/*/specifications",
    "/usr/lib/ruby/gems/*/specifications",
    "/usr/share/rubygems-integration/*/specifications",
    "/var/lib/gems/*/specifications",
)
"""Where Bundler, RubyGems, rbenv, asdf, RVM, Docker's Ruby images and Debian keep what is installed."""


def gem_version(gem: str, folder: str, variables: Mapping[str, str]) -> Version | None:
    """The version of `gem` for a program started in `folder`; None where it is unknown, or where several may be meant.

    A Gemfile.lock decides alone: Bundler runs nothing else.
    """
    lock = lock_file(folder, variables)
    if lock is not None:
        return locked(gem, lock)
    found = _installed(gem, folder, variables)
    return found.pop() if len(found) == 1 else None


def dist_version(dist: str, folder: str, variables: Mapping[str, str]) -> Version | None:
    """The version of a package of PyPI in the virtual environment that would run; None where it is not found."""
    from glob import glob

    venvs = [variables.get("VIRTUAL_ENV", ""), os.path.join(folder, ".venv"), os.path.join(folder, "venv")]
    venvs += [os.path.dirname(place) for place in variables.get("PATH", "").split(os.pathsep) if place]
    for venv in filter(None, venvs):
        for path in glob(f"{venv}/lib/python3*/site-packages/{dist}-*.dist-info"):
            match = re.search(r"-(\d+(?:\.\d+)*)[^/]*\.dist-info$", path)
            if match:
                return _version(match[1])
    return None


def npm_version(package: str, folder: str) -> Version | None:
    """The version of a package of npm that a program started in `folder` gets; None where it is not found.

    Node looks for it in `node_modules`, there and in every folder above.
    """
    place = os.path.abspath(folder)
    while True:
        content = text(os.path.join(place, "node_modules", package, "package.json"))
        match = re.search(r'"version"\s*:\s*"(\d+(?:\.\d+)*)', content)
        if match or place == os.path.dirname(place):
            return _version(match[1]) if match else None
        place = os.path.dirname(place)


def lock_file(folder: str, variables: Mapping[str, str]) -> str | None:
    """What is in the Gemfile.lock that Bundler finds from `folder`, there or above it; None without one."""
    named = variables.get("BUNDLE_GEMFILE")
    if named:
        return text(os.path.join(folder, f"{named}.lock")) or None
    place = os.path.abspath(folder)
    while True:
        content = text(os.path.join(place, "Gemfile.lock"))
        if content or place == os.path.dirname(place):
            return content or None
        place = os.path.dirname(place)


def locked(gem: str, lock: str) -> Version | None:
    """The version of `gem` in a Gemfile.lock, whose specs are indented by four blanks."""
    match = re.search(rf"(?m)^ {{4}}{re.escape(gem)} \((\d+(?:\.\d+)*)", lock)
    return _version(match[1]) if match else None


def _installed(gem: str, folder: str, variables: Mapping[str, str]) -> set[Version]:
    from glob import glob  # 1 ms, and only where there is no Gemfile.lock

    own = [variables.get("GEM_HOME", ""), *variables.get("GEM_PATH", "").split(":")]
    places = [f"{place}/specifications" for place in own if place]
    places = places or [os.path.expanduser(place.format(root=folder)) for place in _PLACES]
    names = [os.path.basename(path) for place in places for path in glob(f"{place}/{gem}-*.gemspec")]
    matches = [re.fullmatch(rf"{re.escape(gem)}-(\d+(?:\.\d+)*)\S*\.gemspec", name) for name in names]
    return {_version(match[1]) for match in matches if match}


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))
