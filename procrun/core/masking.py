"""Secrets are not for a screen: what of a variable, or of a text that somebody wrote into a file, may be shown."""

import math
import re
from collections import Counter

from procrun.core.secret_names import is_secret, names_identifier, names_webhook

HIDDEN = "****"

_SHELLS_OWN = "PWD"
"""The folder that a shell is in; everywhere else `pwd` is short for password."""

# The beginnings of what services give out as keys. Source: the rules of gitleaks (github.com/gitleaks/gitleaks,
# config/gitleaks.toml, 2026), the parts that need no word beside them, and the services' own pages.
_ISSUED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}"  # GitHub
    r"|gl(?:pat|dt|rt|soat|ft|cbt|ptt|agent|imt|ffct)-[\w-]{16,}"  # GitLab
    r"|xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|xapp-\d-[A-Za-z0-9-]{8,}"  # Slack
    r"|(?:sk|rk)_(?:live|test|prod)_\w{8,}|whsec_[\w+/=]{8,}"  # Stripe, Clerk
    r"|(?=[\w-]*\d)(?:sk-|(?:gsk|r8|hf|jina|fw)_|(?:xai|pplx|tvly|nvapi|csk)-)[\w-]{16,}"  # OpenAI and its like
    r"|A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}\b|ABSK[A-Za-z0-9+/]{40,}={0,2}"  # AWS
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{20,}"  # Google
    r"|SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}|xkeysib-[\w-]{20,}|[0-9a-f]{32}-us\d{1,2}"  # mail
    r"|(?=[\w-]*\d)(?:(?:npm|ntn|figd|lin_api|lin_oauth|pscale_(?:tkn|pw|oauth)|rubygems|sbp|sb_secret|dckr_[po]at|nfp"
    r"|rnd|glsa|glc|shp(?:at|ca|pa|ss)|tfp|phx|rdme|vcp|re)_|pul-|dt0c01\.)[\w.=-]{16,}"
    r"|do[opr]_v1_[0-9a-f]{32,}|hv[sbr]\.[\w-]{20,}|atlasv1\.[\w-]{20,}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{20,}"
    r"|AT[AC]TT3[\w=-]{20,}|NRAK-[A-Z0-9]{20,}|NRJS-[a-f0-9]{16,}|EZ[AT]K[A-Za-z0-9]{20,}|PMAK-[\w-]{20,}"
    r"|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}|sntry[su]_[\w=+/-]{20,}|dapi[a-f0-9]{32}|LTAI[A-Za-z0-9]{12,}"
    r"|pypi-[\w-]{40,}|sq0(?:atp|csp|idp)-[\w-]{16,}|EAAA[\w-]{40,}|FLWSECK\S{20,}|AKCp[A-Za-z0-9]{40,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}|ops_eyJ[A-Za-z0-9+/=]{20,}"
    r"|FlyV1 \S{20,}|fm[12]_\S{20,}"
    r"|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|\d{8,10}:AA[\w-]{30,}|[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}"  # airtable, bots
    r"|[\w.~]{3}\dQ~[\w.~-]{31,34}"  # Azure
    r")"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z0-9 ]{0,20}-----"
    r"(?:(?!-----END)[^\"'])*+(?:-----END [A-Z0-9 ]{0,60}-----)?"
    r"|PuTTY-User-Key-File-[\s\S]*"
)
# eyJ is what `{"` becomes in base64, LS0tLS1 is `-----`: a JSON Web Token, a whole JSON or PEM file in one line.
_ENCODED = re.compile(r"(?<![A-Za-z0-9_-])(?:eyJ[\w-]{6,}(?:\.[\w-]*){1,4}|(?:eyJ|LS0tLS1)[\w+/-]{30,}={0,2})")
_SCHEME = re.compile(
    r"(\b(?:Bearer|Basic|Digest|Token|ApiKey|GenieKey|Negotiate)(?:\s+|%20))[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE
)

# The last `@` before the path ends the password; without one, a `/` in the password was not escaped.
_URL_PASSWORD = re.compile(r"(://[^\s/:@?#]*):(?:[^\s/]*|(?!\d{1,5}/)(?:(?!://)\S)*)@")
_URL_TOKEN = re.compile(r"(https?://)[^\s/:@?#]+@", re.IGNORECASE)
_ORACLE = re.compile(r"(jdbc:oracle:\w+:[^/\s:@]*)/[^@\s]+@", re.IGNORECASE)
_URL_PATH = re.compile(r"(https?://[^\s/?#]+)/([^\s?#]*)", re.IGNORECASE)
_WEBHOOKS = re.compile(
    r"(https?://(?:hooks\.slack\.com|discord(?:app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com|hooks\.zapier\.com"
    r"|maker\.ifttt\.com|hook\.[\w.]*make\.com|chat\.googleapis\.com/v1/spaces|[\w.-]+\.logic\.azure\.com"
    r"|api\.telegram\.org|open\.feishu\.cn/open-apis/bot|oapi\.dingtalk\.com/robot|qyapi\.weixin\.qq\.com/cgi-bin/webhook))"
    r"[/?]\S+",
    re.IGNORECASE,
)

# `name=value` in the parts of a URL's query, of a list of headers, of libpq's and ADO's connection strings.
_FIELD = re.compile(r"((?:^|[?&;,\s\"'])([A-Za-z][\w.-]{0,60})\s?=\s?)(\"[^\"]*\"|'[^']*'|[^&;,\s\"']+)")
_ADO_FIELD = re.compile(r"((?:^|;)\s*([A-Za-z][\w .-]{0,60}?)\s*=\s*)([^;\"']+)(?=;|$)")
_JSON_FIELD = re.compile(r"(\\?[\"']([\w.@-]{1,60})\\?[\"']\s*:\s*)(\"(?:[^\"\\]|\\.)*+\"?|\\\"[^\"\\]*\\\"|'[^']*')")
_HEADER = re.compile(r"((?:^|[\s\"'])([A-Za-z][\w-]{0,60}):\s+)([^\s\"',;]+)")
_OPTION = re.compile(r"((?:^|\s)--?([A-Za-z][\w.-]{1,60})[=\s]\s*)([^\s\"'-][^\s\"']*|\"[^\"]*\"|'[^']*')")

_USER = re.compile(r"((?:^|\s)(?:-u|--user|--proxy-user)[=\s]\s*[^\s:]+):[^\s\"']+")
"""curl's user and password."""

_PHRASE = re.compile(r"(?:[a-z]{3,8} ){11,23}[a-z]{3,8}")
"""A wallet's recovery phrase has 12, 15, 18, 21 or 24 words of at most eight letters (BIP 39)."""

_FILE = re.compile(
    r"(?:~|\.{1,2})?(?:/[\w.@ +-]*[a-z._-][\w.@ +-]*)+|[\w.-]+\.(?:json|ya?ml|pem|key|p8|p12|pfx|crt|txt)"
)

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_TOKEN_INSIDE = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+_-]{32,}={0,2}(?![\w+/-])")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")


def mask(name: str, value: str) -> str:
    """The value as it may be shown: `****` for a secret's name, and without what is secret inside of it.

    Of URLs scheme and host stay; of connection strings, JSON, headers and options the names stay.
    """
    if not value:
        return value
    named = name != _SHELLS_OWN and is_secret(name, value) and not _is_file(value)
    if named or _looks_random(name, value) or _is_phrase(value):
        return HIDDEN
    if names_webhook(name):
        value = _URL_PATH.sub(_mask_path, value)
    return without_secrets(value, names_identifier(name))


def without_secrets(text: str, identifier: bool = False) -> str:
    """The text with `****` for whatever in it looks like a secret; where it is an `identifier` it may look random."""
    for pattern in (_PRIVATE_KEY, _ENCODED, _ISSUED):
        text = pattern.sub(HIDDEN, text)
    if not identifier:
        text = _TOKEN_INSIDE.sub(lambda found: HIDDEN if _is_mixed(found[0]) else found[0], text)
    text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _URL_TOKEN.sub(rf"\1{HIDDEN}@", text)
    text = _ORACLE.sub(rf"\1/{HIDDEN}@", text)
    text = _WEBHOOKS.sub(rf"\1/{HIDDEN}", text)
    text = _USER.sub(rf"\1:{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1{HIDDEN}", text)
    for pattern in (_JSON_FIELD, *((_ADO_FIELD,) if ";" in text else ()), _FIELD, _HEADER, _OPTION):
        text = pattern.sub(_mask_field, text)
    return text


def looks_random(text: str) -> bool:
    """Whether it is one word that no human chose: of 24 letters or more that hardly repeat, or hexadecimal."""
    if _HEX.fullmatch(text):
        return len(set(text)) > 6
    return _TOKEN.fullmatch(text) is not None and text[0] != "/" and _is_mixed(text)


def _is_mixed(text: str) -> bool:
    """Whether digits and letters of both cases follow each other as only chance has them."""
    kinds = all(re.search(kind, text) for kind in (r"\d", "[a-z]", "[A-Z]"))
    return kinds and _entropy(text) >= 4.0 and max(map(len, re.split(r"[/_-]", text))) >= 16


def _looks_random(name: str, value: str) -> bool:
    return not names_identifier(name) and len(value) <= 4096 and looks_random(value)


def _is_file(value: str) -> bool:
    """Whether it is the path of a file with the secret in it, which is none itself."""
    if len(value) > 300 or not _FILE.fullmatch(value) or (value.count("/") == 1 and "." not in value):
        return False
    return not any(len(part) >= 16 and re.search(r"\d", part) and part.lower() != part for part in value.split("/"))


def _is_phrase(value: str) -> bool:
    return value.count(" ") in (11, 14, 17, 20, 23) and _PHRASE.fullmatch(value) is not None


def _mask_path(found: re.Match[str]) -> str:
    """The path of a webhook's address, where it has one and does not lead to this machine."""
    here = re.match(r"https?://(?:localhost|127\.|\[::1\]|0\.0\.0\.0)", found[1], re.IGNORECASE)
    return f"{found[1]}/{HIDDEN}" if found[2] and not here else found[0]


def _mask_field(found: re.Match[str]) -> str:
    """`password=****`, in its quotes."""
    before, name, value = found.groups()
    bare = value.strip("\\\"'")
    if not bare or bare == HIDDEN or not is_secret(name, bare):
        return found[0]
    quote = re.match(r"\\?[\"']|", value)
    around = quote[0] if quote is not None else ""
    return f"{before}{around}{HIDDEN}{around}"


def _entropy(text: str) -> float:
    """Shannon's, in bits a letter: 4 and more for 24 random letters of base64, 3 to 4 for words."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
