"""Which form of an answer a client wants (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Mapping, Sequence

from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.problems import Problem

_RANGE = re.compile(
    r"\s*([\w!#$&^.+*-]+)/([\w!#$&^.+*-]+)\s*((?:;[^,]*)?)", re.ASCII | re.IGNORECASE
)
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.ASCII)


def negotiated(request: HttpRequest, forms: Mapping[str, Sequence[str]]) -> str:
    """Return the form that the client likes most.

    Of forms that it likes equally, the one that it names more exactly is taken, then the one it
    names first. The answer, also a refusal, gets `Vary: Accept` (`api/http/around/middleware.py`).

    Args:
        request: Whose header Accept; absent, it takes any form.
        forms: The media type of each form with its other names; the first is the default.

    Raises:
        Problem: 406, the client takes none of them.
    """
    request.scope["cairn_vary"] = b"Accept"
    accept = header(request, b"accept")
    if accept is None or not accept.strip():
        return next(iter(forms))
    ranges = [one for one in map(_range, enumerate(accept.lower().split(","))) if one]
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = None
    for form, others in forms.items():
        liked = _liking(ranges, (form, *others))
        if liked is not None and liked[0] > 0 and (chosen is None or liked > best):
            best, chosen = liked, form
    if chosen is None:
        raise Problem("not_acceptable", f"this can be had as {', '.join(forms)}")
    return chosen


_Range = tuple[str, str, float, int]


def _range(numbered: tuple[int, str]) -> _Range | None:
    """Return the type, subtype, quality and place of one range of Accept; None if it is none."""
    place, text = numbered
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    quality = _QUALITY.search(found[3])
    return found[1], found[2], float(quality[1]) if quality else 1.0, place


def _liking(ranges: Sequence[_Range], names: Sequence[str]) -> tuple[float, int, int] | None:
    """Return quality, exactness and nearness to the front by the most exact range that fits."""
    found = [
        (exactness, quality, -place)
        for kind, subtype, quality, place in ranges
        for name in names
        if (exactness := _exactness(kind, subtype, name)) is not None
    ]
    if not found:
        return None
    exactness, quality, nearness = max(found)
    return quality, exactness, nearness


def _exactness(kind: str, subtype: str, name: str) -> int | None:
    """Return how exactly a range names a media type; None when it does not."""
    if (kind, subtype) == ("*", "*"):
        return 0
    if subtype == "*":
        return 1 if name.startswith(f"{kind}/") else None
    return 2 if name == f"{kind}/{subtype}" else None
