"""What routes use, put together once by `api/main.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.http.requests import (
    AnyRequest,
    expected_of,
    header_text,
    idempotency_of,
    is_current,
    scope_of,
    session_id_of,
)
from api.http.responses import Reply, etag, json_response, not_modified, to_json
from api.settings import Settings
from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Outcome
from application.commands.request import Request as CommandRequest
from application.fan_out import FanOut
from application.ports.readiness import Readiness
from application.ports.rows import ScopeVersion
from application.ports.schemas import Schemas
from application.ports.store import Clock, Store
from application.reads.feed import Feed
from application.reads.health import Checkups
from application.reads.queries import Queries
from application.reads.scopes import Scopes
from application.reads.tail import Tails
from application.reads.wait_for import Waits
from application.upkeep.leases import Attachments
from application.use_cases.lineage import Lineages
from application.webhooks.manage import Webhooks
from domain.errors import SessionNotFound
from domain.session.commands import ActivateSession, Command
from domain.session.state import Session

_NOTHING_YET = ActivateSession()
"""In the place of a command that is set by whoever knows more."""

_CONDITIONS = frozenset({b"if-match", b"idempotency-key", b"cairn-actor", b"cairn-causation"})


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and what the doors need beside them."""

    settings: Settings
    store: Store
    hub: FanOut
    repository: SessionRepository
    handler: CommandHandler
    queries: Queries
    lineages: Lineages
    scopes: Scopes
    schemas: Schemas
    tails: Tails
    feed: Feed
    webhooks: Webhooks
    checkups: Checkups
    attachments: Attachments
    waits: Waits
    readiness: Readiness

    @property
    def clock(self) -> Clock:
        """Time and new ids."""
        return self.store.clock

    def new_name(self) -> str:
        """Return a new id as text."""
        return str(self.clock.new_id())


def services_of(request: AnyRequest) -> Services:
    """Return the services of the program that answers a request."""
    services: Services = scope_of(request)["cairn"]
    return services


async def handle(
    request: AnyRequest,
    command: Command,
    *,
    session_id: UUID | None = None,
    idempotency_scope: UUID | None = None,
    inherits: Session | None = None,
    shared_scope: UUID | None = None,
    if_match: bool = True,
) -> Outcome:
    """Do what a request asks of a session.

    Args:
        request: Who asks, and under which conditions: its headers.
        command: What is asked.
        session_id: Of which session; the one in the path by default.
        idempotency_scope: Where its key must be unique; the session by default.
        inherits: What a fork begins with.
        shared_scope: What If-Match is about, of a patch to keys that sessions share.
        if_match: If-Match is about the session that is asked; else the caller has seen to it.

    Raises:
        DomainError: A rule refuses it.
        ApplicationError: It cannot be done now, or not in this way.
        Problem: A header is malformed.
    """
    asked = await asked_of(
        request,
        command,
        session_id=session_id,
        idempotency_scope=idempotency_scope,
        shared_scope=shared_scope,
    )
    if not if_match:
        asked = asked._replace(expected=None)
    return await services_of(request).handler.handle(asked._replace(inherits=inherits))


async def asked_of(
    request: AnyRequest,
    command: Command = _NOTHING_YET,
    *,
    session_id: UUID | None = None,
    idempotency_scope: UUID | None = None,
    shared_scope: UUID | None = None,
) -> CommandRequest:
    """Return who asks something of a session, and under which conditions.

    Args:
        request: Its headers say so.
        command: What is asked, if that is known yet.
        session_id: Of which session; the one in the path by default.
        idempotency_scope: Where its key must be unique; the session by default.
        shared_scope: What If-Match is about, of a patch to keys that sessions share.

    Raises:
        Problem: A header is malformed.
    """
    if session_id is None:
        session_id = session_id_of(request)
    scope = scope_of(request)
    actor: str = scope["cairn_actor"]
    if _CONDITIONS.isdisjoint(scope["cairn_headers"]):
        return CommandRequest(session_id, command, actor)
    expected = expected_of(request)
    scopes: tuple[ScopeVersion, ...] = ()
    if shared_scope is not None and expected is not None:
        scopes, expected = await _scope_versions(request, shared_scope, expected), None
    return CommandRequest(
        session_id=session_id,
        command=command,
        actor=header_text(request, b"cairn-actor") or actor,
        causation=header_text(request, b"cairn-causation"),
        expected=expected,
        idempotency=await idempotency_of(request, idempotency_scope or session_id),
        expected_scopes=scopes,
    )


async def replayed(request: AnyRequest, scope: UUID) -> Outcome | None:
    """Return the stored answer of an earlier request with the same key, if there was one.

    For what looks at sessions before it asks for anything: they may be other ones by now.

    Args:
        request: Who asks.
        scope: Where its key must be unique.

    Raises:
        IdempotencyKeyReused: The earlier request was a different one.
        Problem: A header is malformed.
    """
    # Only the key counts: what is asked for is not known yet.
    asked = await asked_of(request, session_id=scope)
    return await services_of(request).handler.replay(asked)


async def state_of(request: AnyRequest) -> Session:
    """Return the newest state of the session that the path names.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: There is none, or it was deleted.
    """
    services, session_id = services_of(request), session_id_of(request)
    await services.queries.session(session_id)
    return (await services.repository.load(session_id)).session


def read_response(request: AnyRequest, sequence: int, document: Mapping[str, Any]) -> Reply:
    """Answer a read with a part of a session, or with 304 to a client that has it as it is.

    Args:
        request: Who asks.
        sequence: Of the session when it was read.
        document: The part.
    """
    if is_current(request, sequence):
        return not_modified(sequence)
    content = to_json({**document, "sequence": sequence})
    return json_response(content, headers={"ETag": etag(sequence)})


async def past_of(request: AnyRequest) -> Session:
    """Return the newest state of the session that the path names, also if it was deleted.

    For what reads its log, which stays.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: There never was one.
    """
    session = (await services_of(request).repository.load(session_id_of(request))).session
    if session.lifecycle.phase in ("absent", "scope"):
        raise SessionNotFound
    return session


async def _scope_versions(
    request: AnyRequest, scope: UUID, allowed: frozenset[int]
) -> tuple[ScopeVersion, ...]:
    """Return the version that a shared scope must still have: of several, the one it has now."""
    now = (await services_of(request).store.read_models.scope(scope)).version
    return (ScopeVersion(scope, now if now in allowed else min(allowed, default=-1)),)
