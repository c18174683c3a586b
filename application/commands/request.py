"""A command with what is known about who asks, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.projections.shared_state import scope_id
from domain.access.events import AccessGranted
from domain.scope.rules import PatchScope
from domain.session.commands import Command
from domain.session.state import Session

RequestOrigin = Literal[
    "adk",
    "agentapi",
    "docker-agent",
    "erasure",
    "http",
    "import",
    "lineage",
    "recovery",
    "repair",
    "retention",
    "supervision",
]
"""Where requests come from: a door of the server, each with its own word, or the server itself."""

BY_ITSELF: frozenset[RequestOrigin] = frozenset(
    {"erasure", "lineage", "recovery", "retention", "supervision"}
)
"""The origins of what the server asks by itself: a clock or a parent has decided it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A client's idempotency key.

    Args:
        scope: The session, or nil for a request that makes one.
        key: As the client sent it.
        fingerprint: SHA-256 of the request.
    """

    scope: UUID
    key: str
    fingerprint: bytes


class IdempotencyKey(NamedTuple):
    """An idempotency key as a client sent it; the use case says where it must be unique.

    Args:
        key: The key.
        fingerprint: SHA-256 of the request.
    """

    key: str
    fingerprint: bytes


NIL = UUID(int=0)


class Caller(NamedTuple):
    """Who asks for something, and under which conditions.

    Args:
        actor: Who asks, such as `user:ada`.
        origin: Through which door.
        causation: Why: the id of the request or event that led to it.
        expected: The sequences or versions that the caller allows; None allows any.
        key: The idempotency key.
        claimed: Who the client says it is, where `actor` is proven by its token.
        keys_of_new_sessions: Where the keys of requests that begin a session must be unique:
            nil, or the place of those who see only a part of the store.
        size: The bytes of what is asked.
        signed: The request, where a signature lets it in once, with what is appended for it.
        shares: Whether it may set keys that all users of an app share.
    """

    actor: str
    origin: RequestOrigin
    causation: str | None = None
    expected: frozenset[int] | None = None
    key: IdempotencyKey | None = None
    claimed: str | None = None
    keys_of_new_sessions: UUID = NIL
    size: int = 0
    signed: SignedRequest | None = None
    shares: bool = True

    def asks(self, session_id: UUID, command: Command) -> "Request":
        """Return the request of a command under the conditions of this caller.

        Args:
            session_id: To which session; the key must be unique in it.
            command: What is asked.
        """
        return Request(
            session_id,
            command,
            self.actor,
            self.origin,
            self.expected,
            self.causation,
            None if self.key is None else self.key_in(session_id),
            claimed=self.claimed,
            size=self.size,
            signed=self.signed,
            shares=self.shares,
        )

    def patches(self, command: PatchScope) -> "ScopeRequest":
        """Return the request of a patch of a shared scope; what it expects are its versions.

        Args:
            command: What is asked; the key must be unique in its scope.
        """
        return ScopeRequest(
            command,
            self.actor,
            self.origin,
            self.expected,
            self.causation,
            self.key_in(scope_id(command.app, command.user)),
            self.claimed,
        )

    def key_in(self, scope: UUID) -> Idempotency | None:
        """Return the idempotency key, unique in a scope; None when there is none.

        Args:
            scope: A session, or nil for a request that makes one.
        """
        if self.key is None:
            return None
        return Idempotency(scope=scope, key=self.key.key, fingerprint=self.key.fingerprint)


class Request(NamedTuple):
    """A command with what is known about who asks.

    Args:
        session_id: To which session.
        command: What is asked.
        actor: Who asks.
        origin: Through which door, or why the server asks by itself.
        expected: The sequences that the caller allows, from If-Match; None allows any.
        causation: Why.
        idempotency: The client's key.
        inherits: What a fork begins with, of the session it is made from.
        inherits_bytes: How large that is; the handler looks.
        claimed: Who the client says it is, where `actor` is proven by its token.
        size: The bytes of what is asked.
        signed: What its signature lets in once, with what is appended for it.
        shares: Whether it may set keys that all users of an app share.
    """

    session_id: UUID
    command: Command
    actor: str
    origin: RequestOrigin = "http"
    expected: frozenset[int] | None = None
    causation: str | None = None
    idempotency: Idempotency | None = None
    inherits: Session | None = None
    inherits_bytes: int = 0
    claimed: str | None = None
    size: int = 0
    signed: SignedRequest | None = None
    shares: bool = True


class ScopeRequest(NamedTuple):
    """A patch of a shared scope with what is known about who asks.

    Args:
        command: What is asked.
        actor: Who asks.
        origin: Through which door.
        expected: The versions that the caller allows, from If-Match; None allows any.
        causation: Why.
        idempotency: The client's key.
        claimed: Who the client says it is, where `actor` is proven by its token.
    """

    command: PatchScope
    actor: str
    origin: RequestOrigin = "http"
    expected: frozenset[int] | None = None
    causation: str | None = None
    idempotency: Idempotency | None = None
    claimed: str | None = None

    @property
    def session_id(self) -> UUID:
        """The id of the scope and of its log, in the place where others name a session."""
        return scope_id(self.command.app, self.command.user)


class AccessRequest(NamedTuple):
    """A privileged read with what is known about who reads.

    Args:
        access: What is read.
        actor: Who reads.
        origin: Through which door.
        causation: Why.
        idempotency: None: to read twice is to read twice.
        claimed: Who the client says it is, where `actor` is proven by its token.
    """

    access: AccessGranted
    actor: str
    origin: RequestOrigin = "http"
    causation: str | None = None
    idempotency: None = None
    claimed: str | None = None


class Outcome(NamedTuple):
    """What became of an accepted command.

    Args:
        session_id: The session it made or changed.
        first_sequence: The first event it made; beyond `sequence` when it made none.
        sequence: The sequence of the session after it.
        position: The position of its last event.
        answer: What it produced.
        replayed: The answer is the stored one of an earlier request with the same key.
    """

    session_id: UUID
    first_sequence: int
    sequence: int
    position: int
    answer: Mapping[str, Any]
    replayed: bool = False

    @property
    def changed(self) -> bool:
        """Whether the command made an event."""
        return self.first_sequence <= self.sequence
