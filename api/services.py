"""What routes use, put together once by `api/composition/program.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from api.doors import origin_of
from api.http.around.authorization import principal_of
from api.http.incoming.idempotency import idempotency_key_of
from api.http.incoming.preconditions import expected_of, is_current
from api.http.incoming.requests import (
    SIGNED,
    HttpRequest,
    header_text,
    session_id_of,
)
from api.http.outgoing.giving import Readers
from api.http.outgoing.responses import Reply, etag, json_response, not_modified, to_json
from api.settings import Settings
from application.commands.access_handler import AccessHandler
from application.commands.repository import SessionRepository
from application.commands.request import NIL, Caller, Outcome, RequestOrigin
from application.erasure.erasing import Erasing
from application.erasure.proof import ErasureProofs
from application.fan_out import FanOut
from application.limits.limiter import Limiter
from application.memory_budget import MemoryBudget
from application.partials.reader import PartialReader
from application.ports.access.seen_signatures import SignedRequest
from application.ports.foreign_events import ForeignReader
from application.ports.readiness import Readiness
from application.ports.store import Store
from application.reads.event_reader import EventReader
from application.reads.evidence.audit import AuditFeed
from application.reads.evidence.transparency import TransparencyLog
from application.reads.evidence.verification import Verification
from application.reads.health import Checkups
from application.reads.key_history import KeyHistories
from application.reads.line_log import LineLog
from application.reads.queries import Queries
from application.reads.scopes import Scopes
from application.reads.streams.feed import Feed
from application.reads.streams.pages import Pages
from application.reads.streams.replay import Replays
from application.reads.streams.tail import Tails
from application.reads.streams.wait_for import StatusWaits
from application.tokens.authentication import Authentication
from application.tokens.known import KnownTokens
from application.tokens.manage import TokenRegistry
from application.tokens.sight import Sight
from application.tokens.tickets import TicketRegistry
from application.use_cases import UseCases
from application.use_cases.artifacts import Artifacts
from application.use_cases.blobs import Blobs
from application.use_cases.managers.session_managing import SessionManaging
from application.use_cases.recovery import Recovery
from application.use_cases.repair import Repairs
from application.use_cases.session.named_sessions import NamedSessions
from application.use_cases.transfers import Transfers
from application.use_cases.turn.driven_turns import DrivenTurns
from application.use_cases.turn.foreign_events import ForeignEvents
from application.webhooks.manage import Webhooks
from domain.access.events import AccessGranted, AccessTo
from domain.access.rules import shortened
from domain.principal import Principal
from domain.session.commands import Command
from domain.session.state import Session

_CONDITIONS = frozenset({b"if-match", b"idempotency-key", b"cairn-actor", b"cairn-causation"})


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, the reads, and what doors need beside them."""

    settings: Settings
    memory: MemoryBudget
    readers: Readers
    store: Store
    events: EventReader
    fan_out: FanOut
    repository: SessionRepository
    use_cases: UseCases
    queries: Queries
    scopes: Scopes
    key_histories: KeyHistories
    tails: Tails
    replays: Replays
    partials: PartialReader
    blobs: Blobs
    feed: Feed
    pages: Pages
    webhooks: Webhooks
    checkups: Checkups
    waits: StatusWaits
    recovery: Recovery
    repairs: Repairs
    readiness: Readiness
    transparency: TransparencyLog
    verification: Verification
    audit_feed: AuditFeed
    sight: Sight
    tokens: TokenRegistry
    known_tokens: KnownTokens
    tickets: TicketRegistry
    authentication: Authentication
    limiter: Limiter
    accesses: AccessHandler
    erasing: Erasing
    erasure_proofs: ErasureProofs
    transfers: Transfers
    line_log: LineLog
    foreign_events: ForeignEvents
    artifacts: Artifacts
    driven_turns: DrivenTurns
    adk_sessions: NamedSessions
    adk_reader: ForeignReader
    session_managing: SessionManaging


def services_of(request: HttpRequest) -> Services:
    """Return the services of the program that answers a request."""
    services: Services = request.scope["cairn"]
    return services


def use_cases_of(request: HttpRequest) -> UseCases:
    """Return the use cases of the program that answers a request."""
    services: Services = request.scope["cairn"]
    return services.use_cases


async def caller_of(request: HttpRequest) -> Caller:
    """Return who asks, and under which conditions: what the headers say.

    Raises:
        Problem: A header is malformed.
    """
    scope = request.scope
    principal: Principal = scope["cairn_principal"]
    origin: RequestOrigin = scope["cairn_origin"]
    signed: SignedRequest | None = scope.get(SIGNED)
    if signed is not None and signed.is_kept:
        signed = None
    size = len(scope.get("cairn_body", b""))
    if _CONDITIONS.isdisjoint(scope["cairn_headers"]):
        shares = principal.shares
        return Caller(principal.actor, origin, size=size, signed=signed, shares=shares)
    actor, claimed = actor_of(request)
    return Caller(
        actor,
        origin,
        header_text(request, b"cairn-causation"),
        expected_of(request),
        await idempotency_key_of(request),
        claimed,
        _keys_of_new_sessions(principal),
        size,
        signed,
        principal.shares,
    )


def _keys_of_new_sessions(principal: Principal) -> UUID:
    """Return where a principal's keys must be unique that begin a session.

    Whoever sees only a part of the store can neither hear of a key of others nor take it.
    """
    if principal.sees_all:
        return NIL
    return uuid5(NIL, f"{principal.app}\n{principal.user or ''}")


def actor_of(request: HttpRequest) -> tuple[str, str | None]:
    """Return the actor for the log, and who the client claims to be where the actor is proven.

    Args:
        request: Who asks.

    Raises:
        Problem: 400, `Cairn-Actor` is not 1 to 200 printable ASCII characters.
    """
    principal, said = principal_of(request), header_text(request, b"cairn-actor")
    if principal.is_named:
        return principal.actor, said
    return said or principal.actor, None


async def record_access(
    request: HttpRequest,
    to: AccessTo,
    *,
    session_id: UUID | None = None,
    webhook_id: UUID | None = None,
    where: Mapping[str, str] | None = None,
) -> None:
    """Make it durable that somebody reads what only the privileged may, before it is answered.

    Args:
        request: Who reads.
        to: What.
        session_id: Of which session, if of one only.
        webhook_id: Of which webhook, if of one only.
        where: What is asked for.

    Raises:
        CairnError: It cannot be recorded now, so it must not be answered.
        Problem: A header is malformed.
    """
    actor, claimed = actor_of(request)
    caller = Caller(
        actor, origin_of(request), header_text(request, b"cairn-causation"), claimed=claimed
    )
    access = AccessGranted(
        to=to, session_id=session_id, webhook_id=webhook_id, where=shortened(where or {})
    )
    await services_of(request).accesses.record(caller, access)


async def perform(request: HttpRequest, command: Command) -> Outcome:
    """Do what a command asks of the session that the path names.

    Args:
        request: Who asks.
        command: What is asked, with nothing left to prepare.

    Raises:
        CairnError: A rule refuses it, or it cannot be done now, or not in this way.
        Problem: A header is malformed.
    """
    return await use_cases_of(request).do(await caller_of(request), session_id_of(request), command)


async def state_of(request: HttpRequest) -> Session:
    """Return the newest state of the session that the path names.

    Args:
        request: Who asks.

    Raises:
        SessionNotFound: There is none, or it was deleted.
    """
    services, session_id = services_of(request), session_id_of(request)
    await services.queries.session(session_id)
    return (await services.repository.load(session_id)).session


def read_response(request: HttpRequest, sequence: int, document: Mapping[str, Any]) -> Reply:
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
