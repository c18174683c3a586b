"""What routes use, put together once by `api/main.py`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from api.requests import (
    AnyRequest,
    expected_of,
    header_text,
    idempotency_of,
    scope_of,
    session_id_of,
)
from api.settings import Settings
from application.feed import Feed
from application.handle import Handler
from application.live import Hub
from application.ports import Clock, Store
from application.queries import Queries
from application.request import Answer, Outcome
from application.request import Request as CommandRequest
from application.tail import Tails
from domain.session.commands import Command

_CONDITIONS = frozenset({b"if-match", b"idempotency-key", b"cairn-actor", b"cairn-causation"})


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, and what the doors need beside them."""

    settings: Settings
    store: Store
    hub: Hub
    handler: Handler
    queries: Queries
    tails: Tails
    feed: Feed
    database_answers: Callable[[], Awaitable[bool]]

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
    answer: Answer = lambda _: {},
) -> Outcome:
    """Do what a request asks of a session.

    Args:
        request: Who asks, and under which conditions: its headers.
        command: What is asked.
        session_id: Of which session; the one in the path by default.
        idempotency_scope: Where its key must be unique; the session by default.
        answer: What the command produced, given the state after it.

    Raises:
        DomainError: A rule refuses it.
        ApplicationError: It cannot be done now, or not in this way.
        Problem: A header is malformed.
    """
    if session_id is None:
        session_id = session_id_of(request)
    scope = scope_of(request)
    actor: str = scope["cairn_actor"]
    if _CONDITIONS.isdisjoint(scope["cairn_headers"]):
        asked = CommandRequest(session_id=session_id, command=command, actor=actor, answer=answer)
    else:
        asked = CommandRequest(
            session_id=session_id,
            command=command,
            actor=header_text(request, b"cairn-actor") or actor,
            causation=header_text(request, b"cairn-causation"),
            expected=expected_of(request),
            idempotency=await idempotency_of(request, idempotency_scope or session_id),
            answer=answer,
        )
    return await services_of(request).handler.handle(asked)
