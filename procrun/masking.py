"""Secrets are not for a screen: what of a variable may be shown."""

import re

_SECRET_NAME = re.compile(
    r"SECRET|PASSW|PASSPHRASE|CREDENTIAL"
    r"|(?<![A-Z])(?:API|ACCESS|AUTH|PRIVATE)?(?:TOKEN|PASS|PW|KEY|PRIVATE|AUTH|SALT|COOKIE)S?(?![A-Z])"
    r"|[^A-Z]PWD(?![A-Z])",  # not the shell's own PWD
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
# The last `@` before the path ends the password; without one, a `/` in the password was not escaped.
_URL_PASSWORD = re.compile(r"(://[^\s/:@?#]*):(?:[^\s/]*|(?!\d{1,5}/)(?:(?!://)\S)*)@")
_URL_TOKEN = re.compile(r"(https?://)[^\s/:@?#]+@", re.IGNORECASE)
_PASSWORD_FIELD = re.compile(
    r"((?:^|[?&;\s])(?:password|passwd|pwd|secret|token|api_?key|access_?key|auth_?token)=)[^&;\s]+",
    re.IGNORECASE,
)
_HIDDEN = "****"


def mask(name: str, value: str) -> str:
    """The value as it may be shown: `****` for a secret's name, without passwords in URLs and fields."""
    if not value:
        return value
    if _SECRET_NAME.search(name) or _PRIVATE_KEY.search(value):
        return _HIDDEN
    value = _URL_PASSWORD.sub(rf"\1:{_HIDDEN}@", value)
    value = _URL_TOKEN.sub(rf"\1{_HIDDEN}@", value)
    return _PASSWORD_FIELD.sub(rf"\1{_HIDDEN}", value)
