"""What answers say of a limit: the fields of draft-ietf-httpapi-ratelimit-headers-11."""

from math import ceil

_WINDOWS = {"requests": 1, "sessions": 86_400, "bytes": 86_400}
"""Seconds; what is open at a time has none."""
_UNITS = {"bytes": "content-bytes", "streams": "concurrent-requests"}
"""Of what is not counted in requests."""


def rate_limit_fields(kind: str, *, most: int, left: int, seconds: float) -> dict[str, str]:
    """Return the header fields that tell how somebody stands.

    Args:
        kind: What is limited.
        most: How much there may be of it.
        left: How much of that is left.
        seconds: Until there is more.
    """
    window = f";w={_WINDOWS[kind]}" if kind in _WINDOWS else ""
    unit = f';qu="{_UNITS[kind]}"' if kind in _UNITS else ""
    return {
        "RateLimit-Policy": f'"{kind}";q={most}{unit}{window}',
        "RateLimit": f'"{kind}";r={left};t={ceil(seconds)}',
    }
