"""From an event to its record, with what is known about who asked for it."""

from datetime import datetime

from application.commands.request import AccessRequest, Request, ScopeRequest
from application.errors import RecordTooLarge
from application.ports.clock import Clock
from application.ports.log.codec import Codec
from application.ports.log.events import Envelope
from domain.log.catalogue import Event


class RecordEncoder:
    """Makes records.

    Args:
        codec: Writes them.
        clock: Names them.
        largest: The most bytes of one record.
    """

    def __init__(self, codec: Codec, clock: Clock, *, largest: int) -> None:
        self._codec = codec
        self._clock = clock
        self._largest = largest

    def __call__(
        self,
        request: Request | ScopeRequest | AccessRequest,
        at: datetime,
        event: Event,
        turn_id: str | None,
    ) -> tuple[str, bytes]:
        """Return the stored type and record of an event.

        Args:
            request: Who asked for it, and why.
            at: When it was decided, UTC.
            event: What happened.
            turn_id: The turn in which it happened.

        Raises:
            RecordTooLarge: It has more bytes than a record may have.
        """
        envelope = Envelope(
            self._clock.new_name(),
            at,
            request.actor,
            request.origin,
            turn_id,
            request.causation,
            request.idempotency.key if request.idempotency else None,
            request.claimed,
        )
        name, record = self._codec.encode(event, envelope)
        if len(record) > self._largest:
            raise RecordTooLarge(
                f"a record of {len(record)} bytes for {name}; at most {self._largest}",
                size=len(record),
                limit=self._largest,
            )
        return name, record
