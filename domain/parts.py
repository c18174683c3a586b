"""What the parts of a message must have, by their type; types that are unknown pass."""

import re
from collections.abc import Sequence

from domain.blobs import CONTENT_TYPES, digest_of_blob
from domain.errors import Invalid
from domain.values import Part

BASE64_PATTERN = r"^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$"
"""Both alphabets are taken, padded or not."""

_BASE64 = re.compile(BASE64_PATTERN)


def require_parts(parts: Sequence[Part], field: str = "parts") -> None:
    """Refuse a message without parts, or with one that cannot be what its type says.

    A text may be empty: reasoning often is, beside its signature. Types that are unknown are kept
    as they are.

    Args:
        parts: The pieces of the message.
        field: What to call them in the refusal.

    Raises:
        Invalid: There is no part, one does not say its type, a text is none, or an image or a file
            holds nothing, or both a blob and something else.
    """
    if not parts:
        raise Invalid(f"{field} must have at least one part", field=field)
    for index, part in enumerate(parts):
        match part.get("type"):
            case "text" | "reasoning":
                if not isinstance(part.get("text"), str):
                    raise Invalid(
                        f"{field}[{index}].text must be a string", field=f"{field}[{index}].text"
                    )
            case str() as kind if kind in CONTENT_TYPES:
                _require_content(part, kind, f"{field}[{index}]")
            case str():
                pass
            case _:
                raise Invalid(f"{field}[{index}].type must be a string", field=field)


def _require_content(part: Part, kind: str, field: str) -> None:
    given = [name for name in ("url", "data", "blob") if part.get(name) is not None]
    if not given:
        raise Invalid(
            f"{field}: the {kind} holds nothing; give its url, its data or its blob", field=field
        )
    for name in given:
        if not isinstance(part[name], str) or not part[name].strip():
            raise Invalid(f"{field}.{name} must not be empty", field=f"{field}.{name}")
    if "blob" in given:
        if len(given) > 1:
            raise Invalid(f"{field}: give a blob alone, without url and data", field=field)
        if digest_of_blob(part["blob"]) is None:
            raise Invalid(
                f"{field}.blob must be `sha256:` and 64 digits in lower-case hex",
                field=f"{field}.blob",
            )
    if "data" in given and not _BASE64.fullmatch(part["data"]):
        raise Invalid(f"{field}.data must be base64", field=f"{field}.data")
