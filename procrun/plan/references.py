"""References to other variables in the values of a `.env` file that do not become what they look like.

python-dotenv expands `${NAME}` and `${NAME:-default}`, in single quotes too, and nothing else.
"""

import re
from collections.abc import Container, Iterator

from procrun.core.errors import Finding
from procrun.core.secret_names import is_secret
from procrun.plan.env_file import Setting, is_name

_BRACED = r"(\\?)\$\{([^}:]*)(?::-[^}]*)?\}"
_BARE = r"(?<![\\$])\$([A-Za-z_][A-Za-z0-9_]+)"
_MEANT = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"
"""A name that is meant as one, though nothing sets it: `$DB_HOST`. `$argon2id` in the hash of a password is none."""


def findings(setting: Setting, known: Container[str]) -> Iterator[Finding]:
    """What is odd about the references of one value; `known` are the variables that are set above it."""
    literal = re.sub(_BRACED, " ", setting.raw)
    names = [name for name in dict.fromkeys(re.findall(_BARE, literal)) if _is_reference(name, setting, known)]
    if names and setting.quote != "'":
        stay = f"{_listed('$' + name for name in names)} stay{'s' if len(names) == 1 else ''} as written"
        write = _listed(f"${{{name}}}" for name in names)
        text = f"{stay}, only ${{…}} is expanded; write {write}, or put the value in single quotes where it is meant so"
        yield Finding(setting.where, text, "literal-dollar")
    for escaped, name, whole in dict.fromkeys((m[1], m[2], m[0]) for m in re.finditer(_BRACED, setting.raw)):
        said = f"${{{name}}}" if is_name(name) else "a ${…} in it"
        if escaped:
            text = f"the backslash does not keep {said} from being expanded; write ${{X:-$}}{{…}}, with no X set"
            yield Finding(setting.where, text, "escaped-dollar")
        elif name not in known and ":-" not in whole:
            cure = (
                f"set {name} above, or give a default: ${{{name}:-…}}"
                if is_name(name)
                else "give a default: ${NAME:-…}"
            )
            yield Finding(setting.where, f"{said} is not set and becomes nothing; {cure}", "unset-reference")


def _is_reference(name: str, setting: Setting, known: Container[str]) -> bool:
    """Whether `$name` was meant as one: it is set, or it looks so and the value is no secret."""
    return is_name(name) and (name in known or (bool(re.fullmatch(_MEANT, name)) and not is_secret(setting.name)))


def _listed(names: Iterator[str]) -> str:
    return " and ".join(names)
