"""Whether a client's copy is the log: examined from outside, with only what was sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import msgspec

from domain.counted import counted

_PLACE = re.compile(
    rb'\{"session_id":"([0-9a-f-]{36})","sequence":(\d+),"position":(\d+),"digest":"([0-9a-f]{64})",'
)
_EVENT_OF = {
    "create": "session.created",
    "turn.start": "turn.started",
    "permission.request": "permission.requested",
    "permission.decide": "permission.decided",
    "turn.complete": "turn.completed",
    "turn.cancel": "turn.cancelled",
    "turn.fail": "turn.failed",
    "stop": "session.stopped",
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at.

    Args:
        words: What should be the case.
        holds: Whether it is.
    """

    words: str
    holds: bool


def examine(
    session_id: str,
    played: Sequence[Mapping[str, Any]],
    log: Sequence[bytes],
    copy: Sequence[bytes],
) -> list[Examined]:
    """Compare what was played, what is in the log and what the client has.

    Args:
        session_id: Which session.
        played: The lines of the recording.
        log: Its records, as the server gives them at the end.
        copy: Its records, as the client has followed them.
    """
    places = [place for place in map(_PLACE.match, log) if place]
    whole = len(places) == len(log)
    sequences = [int(place[2]) for place in places]
    positions = [int(place[3]) for place in places]
    size = sum(map(len, log))
    return [
        Examined(
            f"the client has {counted(len(copy), 'event')}, the log {len(log)},"
            f" equal byte for byte ({size})",
            list(copy) == list(log),
        ),
        Examined(
            f"the sequences are 1 to {len(log)}, the positions only rise",
            whole
            and sequences == list(range(1, len(log) + 1))
            and all(a < b for a, b in pairwise(positions)),
        ),
        Examined("the SHA-256 chain holds from first to last", whole and _chained(session_id, log)),
        Examined(
            f"each of the {len(_expected(played))} recorded events is there once, in order",
            _reported(log) == _expected(played),
        ),
    ]


def _chained(session_id: str, log: Sequence[bytes]) -> bool:
    link = sha256(UUID(session_id).bytes).digest()
    for record in log:
        place = _PLACE.match(record)
        if place is None or place[1].decode() != session_id:
            return False
        hashed = sha256(b"{" + record[place.end() :]).digest()
        link = sha256(link + hashed).digest()
        if link.hex().encode() != place[4]:
            return False
    return True


def _expected(played: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Return the type of every event that was played, and the data of those of the agent."""
    expected: list[tuple[str, Any]] = []
    for line in played:
        if line["do"] == "events":
            expected += [(event["type"], _known(event["data"])) for event in line["events"]]
        elif line["do"] in _EVENT_OF:
            expected.append((_EVENT_OF[line["do"]], None))
    return expected


def _reported(log: Sequence[bytes]) -> list[tuple[str, Any]]:
    own = frozenset(_EVENT_OF.values())
    reported: list[tuple[str, Any]] = []
    for record in log:
        event: dict[str, Any] = msgspec.json.decode(record)
        name, data = event["type"], event["data"]
        if name == "runtime.event":
            name, data = data["kind"], data["data"]
        reported.append((name, None if name in own else _known(data)))
    return reported


def _known(value: Any) -> Any:
    """Return data without what was left out of it: nothing, and null, are the same to the log."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _known(one) for name, one in fields.items() if one is not None}
    if isinstance(value, list):
        entries: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_known(one) for one in entries]
    return value
