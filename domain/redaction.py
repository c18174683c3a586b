"""What must not get into the log by way of an error message.

A text may be made by anybody, so every expression here takes time in proportion to its length:
each begins at the start of a word only, and gives nothing back that it has taken.
"""

import re
from dataclasses import replace

from domain.values import MAX_SUMMARY, Failure

_HIDDEN = "[redacted]"
_CUT = "...[truncated]"
_NAME = re.compile(r"(?<![\w-])([\w-]++)\\*+[\"']?\s*+[:=]\s*+")
_VALUE = re.compile(
    r"(?i)(\\*+[\"'])[^\"']*+"
    r"|(?:(?:basic|bearer|digest|token|apikey|negotiate)\s++)?[^\s\"',;&]++"
)
_SECRET = re.compile(
    r"(?i)token(?!s)|secret|passw(?:or)?d|pwd|api[_-]?key|private[_-]?key|authorization"
)
_BEARER = re.compile(r"(?i)(?<![\w-])(bearer|basic)\s++[A-Za-z0-9._~+/=-]{8,}+")
_KEY = re.compile(
    r"\b(?:(?:sk|pk|rk|ghp|gho|ghs|github_pat|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{16,}+"
    r"|(?<![\w-])eyJ[\w-]++\.[\w-]++(?:\.[\w-]++)?)"
)
_USERINFO = re.compile(r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*+://)[^\s/]+@")
_PRIVATE = re.compile(r"(?s)-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [^\n]*+|\Z)")


def redacted(text: str | None) -> str | None:
    """Return a text without what looks like a secret in it, cut to 2,048 bytes of UTF-8.

    Args:
        text: Such as the summary of a failure; None passes.
    """
    return None if text is None else _cut(without_secrets(text))


def without_secrets(text: str) -> str:
    """Return a text without what looks like a secret in it, however long it is.

    Args:
        text: Made by anybody.
    """
    text = _PRIVATE.sub(_HIDDEN, text)
    text = _USERINFO.sub(rf"\1{_HIDDEN}@", text)
    text = _without_named(text)
    text = _BEARER.sub(rf"\1 {_HIDDEN}", text)
    return _KEY.sub(_HIDDEN, text)


def redacted_failure(failure: Failure) -> Failure:
    """Return a failure without what looks like a secret in its summary."""
    return replace(failure, summary=redacted(failure.summary), bundle=redacted(failure.bundle))


def _cut(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= MAX_SUMMARY:
        return text
    # Not in the middle of a character.
    return raw[: MAX_SUMMARY - len(_CUT)].decode("utf-8", "ignore") + _CUT


def _without_named(text: str) -> str:
    kept: list[str] = []
    end = 0
    for found in _NAME.finditer(text):
        if found.start() < end or _SECRET.search(found[1]) is None:
            continue
        value = _VALUE.match(text, found.end())
        if value is not None:
            kept += (text[end : found.end()], value[1] or "", _HIDDEN)
            end = value.end()
    return "".join(kept) + text[end:]
