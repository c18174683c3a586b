"""Sessions as people name them: by their id, its beginning, or `ext:` and their external id."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from uuid import UUID

from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.screen import printable

_WHOLE = 36
_BEGINNING = re.compile(r"[0-9a-fA-F-]{1,36}")
_CANDIDATES = 5
_SHORTEST = 13
"""Characters: the time of a session's beginning, to the millisecond, in ids that we make."""


def find_session(server: JsonClient, named: str) -> str:
    """Return the whole id of the session that somebody means.

    Args:
        server: Is asked when only the beginning of the id is given.
        named: The id, its beginning, or `ext:` and the external id.

    Raises:
        UsageError: It is none of these, or several sessions have such ids.
        Failure: There is no such session, or the server cannot be asked.
    """
    if len(named) == _WHOLE:
        try:
            return str(UUID(named))
        except ValueError:
            pass
    if named.startswith("ext:"):
        path = f"/v1/sessions/{quote(named, safe=':')}"
        return str(server.ask("GET", path)["session"]["id"])
    if not _BEGINNING.fullmatch(named):
        raise UsageError(
            f"{named!r} is no session id; one is a UUID, the beginning of one, or ext: and an"
            " external id."
        )
    query = {"id_prefix": named, "limit": _CANDIDATES + 1}
    found: list[dict[str, Any]] = server.ask("GET", "/v1/sessions", query)["sessions"]
    match found:
        case []:
            raise Failure(f"No session has an id that begins with {named}.")
        case [one]:
            return str(one["id"])
        case _:
            lines = [f"\n  {one['id']}  {_told(one)}" for one in found[:_CANDIDATES]]
            if len(found) > _CANDIDATES:
                lines.append("\n  …")
            raise UsageError(
                f"Several sessions have ids that begin with {named}; give more of it:"
                f"{''.join(lines)}"
            )


def _told(session: dict[str, Any]) -> str:
    return printable(session["title"] or f"{session['app']}/{session['user']}")[:38]


def shortened(ids: Iterable[str]) -> dict[str, str]:
    """Return for each id as much of its beginning as tells it from the others.

    Args:
        ids: Of sessions.
    """
    whole = sorted(ids)
    short: dict[str, str] = {}
    for before, this, after in zip(["", *whole], whole, [*whole[1:], ""], strict=False):
        alike = max(_alike(this, before), _alike(this, after))
        short[this] = this[: max(alike + 1, _SHORTEST)].rstrip("-")
    return short


def _alike(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
