"""An export file, line by line: a header, then the events of one log as the API gives them."""

import json
import re
from binascii import unhexlify
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

from application.ports.log.events import StoredEvent
from application.ports.session.shared_state import ScopeOwner
from domain.session.events import SessionCreated

FORMAT = 1
"""The version of export files; another one is refused."""
WHAT_TO_SEND = (
    "give what `cairn export` has made (.jsonl, .jsonl.zst, .tar.zst or a folder);"
    " `cairn import --from SYSTEM` takes what other systems write"
)
"""What is said to whoever sends something else."""
LONGEST_LINE = 16 * 1024 * 1024
"""The most bytes of one line."""
PLACE = (
    rb'\{"session_id":"([0-9a-f-]{36})","sequence":([1-9]\d{0,18}),"position":([1-9]\d{0,18}),'
    rb'"digest":"([0-9a-f]{64})",'
)
"""How the line of an event begins."""
NAMED = rb'"id":"[^"\\]{1,64}","type":"([^"\\]{1,255})"'
"""How its record goes on, behind the first brace, nearly always."""
_EVENT = re.compile(PLACE + rb"(?=" + NAMED + rb")?")
_TYPE = re.compile(rb'"type":"([^"\\]{1,255})"')


class FileFault(Exception):
    """A file is no export that this program can take; the message says where and why."""


class Line(NamedTuple):
    """An event as a line has it.

    Args:
        session_id: Whose log.
        sequence: In that log.
        position: In the log of the store that it comes from.
        type: The name of the event; empty when the record does not say.
        record: The stored bytes.
        digest: 32 bytes.
    """

    session_id: bytes
    sequence: int
    position: int
    type: str
    record: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a file.

    Args:
        store: The identity of the store that it comes from; the kind of source for another system.
        session_id: Whose log.
        events: How many lines follow.
        head: The sequence of the last one.
        digest: Of the last one, 32 bytes.
        identity: Owner, title and agent, for people and for tools that sort files.
        forked_from: The origin of a fork: `session_id`, `sequence` and `digest`.
        scope: Whose shared scope the log belongs to; None for a session.
        blocked: What the analyser found in the source of another system and would not let pass.
    """

    store: str
    session_id: UUID
    events: int
    head: int
    digest: bytes
    identity: Mapping[str, Any] = field(default_factory=dict[str, Any])
    forked_from: Mapping[str, Any] | None = None
    scope: ScopeOwner | None = None
    blocked: tuple[str, ...] = ()

    def line(self) -> bytes:
        """Return it as a line, with its end."""
        told: dict[str, Any] = {
            "cairn_export": FORMAT,
            "store": self.store,
            "session_id": str(self.session_id),
            "events": self.events,
            "head": self.head,
            "digest": self.digest.hex(),
            "identity": self.identity,
        }
        if self.forked_from is not None:
            told["forked_from"] = self.forked_from
        if self.scope is not None:
            told["scope"] = self.scope._asdict()
        if self.blocked:
            told["blocked"] = self.blocked
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def stored_of(log_id: UUID, line: Line) -> StoredEvent:
    """Return an event of a file as a row of the log.

    Args:
        log_id: Whose file.
        line: The event.
    """
    return StoredEvent(log_id, line.sequence, line.position, line.type, line.record, line.digest)


def identity_of(created: SessionCreated) -> dict[str, Any]:
    """Return what a header says of whose session it is, by its first event.

    Args:
        created: That event.
    """
    owner, agent = created.owner, created.agent
    told = {
        "app": owner.app,
        "user": owner.user,
        "workspace": owner.workspace,
        "team": owner.team,
        "scope": owner.scope,
        "title": created.title,
        "agent": None if agent is None else agent.name,
    }
    return {name: value for name, value in told.items() if value is not None}


def header_of(line: bytes, name: str) -> Header:
    """Return what the first line of a file says.

    Args:
        line: That line.
        name: Of the file.

    Raises:
        FileFault: It is no header, or one of another version.
    """
    try:
        told: Any = json.loads(line)
        if not isinstance(told, dict) or "cairn_export" not in told:
            raise FileFault(
                f"{name} is no export of Cairn: its first line is no header; {WHAT_TO_SEND}"
            )
        told = cast("dict[str, Any]", told)
        if told["cairn_export"] != FORMAT:
            raise FileFault(
                f"{name} is an export of version {told['cairn_export']!r}; this program reads"
                f" version {FORMAT}"
            )
        scope = told.get("scope")
        return Header(
            store=str(told["store"]),
            session_id=UUID(told["session_id"]),
            events=_count(told["events"]),
            head=_count(told["head"]),
            digest=_digest(told["digest"]),
            identity=_object(told.get("identity", {})),
            forked_from=None if (f := told.get("forked_from")) is None else _object(f),
            scope=None if scope is None else _owner(_object(scope)),
            blocked=tuple(str(code) for code in told.get("blocked", ())),
        )
    except FileFault:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFault(f"{name} has a header that cannot be read: {error!r}") from None


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value < 2**63:
        raise ValueError(f"{value!r} is no count")
    return value


def _digest(value: Any) -> bytes:
    digest = bytes.fromhex(value)
    if len(digest) != 32:
        raise ValueError("the digest does not have 32 bytes")
    return digest


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return cast("dict[str, Any]", value)


def _owner(scope: Mapping[str, Any]) -> ScopeOwner:
    app, user = scope["app"], scope.get("user")
    if not isinstance(app, str) or not isinstance(user, str | None):
        raise TypeError("the scope names no app")
    return ScopeOwner(app, user)


def event_of(line: bytes) -> Line | None:
    """Return the event that a line has; None when it has none.

    Args:
        line: Without its end.
    """
    place = _EVENT.match(line)
    if place is None or not line.endswith(b"}"):
        return None
    end = place.end()
    log_id, sequence, position, digest, name = place.groups()
    if name is None and (named := _TYPE.search(line, end, end + 400)) is not None:
        name = named[1]
    return Line(
        log_id,
        int(sequence),
        int(position),
        name.decode("utf-8", "replace") if name else "",
        b"{" + line[end:],
        unhexlify(digest),
    )
