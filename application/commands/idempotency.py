"""Idempotency keys: the same key gives the first answer again."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from application.commands.request import Idempotency, Outcome, Request, ScopeRequest
from application.errors import IdempotencyKeyInFlight, IdempotencyKeyReused
from application.ports.log.codec import Codec
from application.ports.session.idempotency import IdempotencyKeys, StoredAnswer


class StoredAnswers:
    """The answers that are stored under the keys of requests.

    Args:
        keys: Where they are.
        codec: Reads them.
    """

    def __init__(self, keys: IdempotencyKeys, codec: Codec) -> None:
        self._keys = keys
        self._codec = codec
        self._in_flight: set[tuple[UUID, str]] = set()

    @contextmanager
    def in_flight(self, idempotency: Idempotency) -> Generator[None]:
        """Let one request at a time use a key.

        Args:
            idempotency: The key.

        Raises:
            IdempotencyKeyInFlight: Another request uses it now.
        """
        key = (idempotency.scope, idempotency.key)
        if key in self._in_flight:
            raise IdempotencyKeyInFlight
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.discard(key)

    async def replay(self, idempotency: Idempotency | None) -> Outcome | None:
        """Return the stored answer of an earlier request with the same key, if there was one.

        Args:
            idempotency: The key; None gives None.

        Raises:
            IdempotencyKeyReused: The earlier request was another one.
        """
        if idempotency is None:
            return None
        stored = await self._keys.answer(idempotency.scope, idempotency.key)
        if stored is None:
            return None
        if stored.fingerprint != idempotency.fingerprint:
            raise IdempotencyKeyReused
        kept = self._codec.from_json(stored.answer)
        return Outcome(
            stored.session_id,
            kept["first_sequence"],
            stored.sequence,
            stored.position,
            kept["answer"],
            replayed=True,
        )


def stored_answer(
    request: Request | ScopeRequest,
    idempotency: Idempotency,
    *,
    before: int,
    after: int,
    position: int,
    answer: Mapping[str, Any],
    codec: Codec,
) -> StoredAnswer:
    """Return what is stored under a key with the events of its request.

    Args:
        request: Who asked.
        idempotency: Its key.
        before: The sequence of the session before the request.
        after: The sequence after it.
        position: That of the session's last event before the append.
        answer: What the request produced.
        codec: Writes it.
    """
    kept = {"first_sequence": before + 1, "answer": answer}
    return StoredAnswer(
        idempotency.scope,
        idempotency.key,
        idempotency.fingerprint,
        request.session_id,
        after,
        position,
        codec.to_json(kept),
    )
