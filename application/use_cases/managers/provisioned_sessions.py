"""Sessions that are asked for with all that their runtime needs, which holds secrets."""

import logging
from contextlib import suppress

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.errors import OutcomeUnknown, ReceivedBefore
from application.ports.access.seen_signatures import SignedRequest
from application.ports.clock import Clock
from application.ports.managers.provision_payloads import PayloadLocked, ProvisionPayloads
from domain.errors import CairnError
from domain.session.commands import CreateSession

_logger = logging.getLogger("cairn")


class ProvisionedSessions:
    """Begins sessions beside which a sealed payload is kept, until they are deleted.

    Args:
        payloads: Where those are.
        handler: Handles commands.
        clock: Makes ids.
    """

    def __init__(self, payloads: ProvisionPayloads, handler: CommandHandler, clock: Clock) -> None:
        self._payloads = payloads
        self._handler = handler
        self._clock = clock

    async def create(
        self, caller: Caller, wanted: CreateSession, payload: str, signed: SignedRequest | None
    ) -> Outcome:
        """Begin a session.

        Args:
            caller: Who asks.
            wanted: What everybody may see of it.
            payload: What it was asked for with, verbatim.
            signed: The request; None is one that was let in by other means.

        Raises:
            ReceivedBefore: The request was here already.
            CairnError: It cannot begin; then nothing is kept.
        """
        session_id = self._clock.new_id()
        if not await self._payloads.put(session_id, payload, signed):
            raise ReceivedBefore
        try:
            return await self._handler.handle(caller.asks(session_id, wanted))
        except OutcomeUnknown:
            raise  # it may have begun; a payload of none is swept
        except CairnError:
            with suppress(CairnError):
                await self._payloads.delete(session_id)
            raise

    async def upkeep(self) -> None:
        """Take away payloads of sessions that never began, and seal others with the newest key."""
        await self._payloads.sweep()
        try:
            await self._payloads.reseal()
        except PayloadLocked as locked:
            _logger.warning("a payload cannot be sealed anew: %s", locked)
