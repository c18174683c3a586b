"""A session manager: sessions that are begun here, and those that other servers keep."""

from typing import Protocol

from application.commands.handler import CommandHandler
from application.ports.access.seen_signatures import SeenSignatures
from application.ports.clock import Clock
from application.ports.managers.provision_payloads import ProvisionPayloads
from application.ports.managers.session_managers import SessionManagers
from application.ports.managers.session_routes import SessionRoutes
from application.use_cases.managers.forwarded_sessions import ForwardedSessions
from application.use_cases.managers.provisioned_sessions import ProvisionedSessions


class SessionManagingParts(Protocol):
    """What is kept for it."""

    @property
    def payloads(self) -> ProvisionPayloads:
        """What sessions were asked for with."""
        ...

    @property
    def routes(self) -> SessionRoutes:
        """Which session is at which other server."""
        ...

    @property
    def signatures(self) -> SeenSignatures:
        """Those of requests that were let in."""
        ...


class SessionManaging:
    """All of it, put together.

    Args:
        parts: What is kept.
        managers: The other servers.
        handler: Handles commands.
        clock: Makes ids.
    """

    def __init__(
        self,
        parts: SessionManagingParts,
        managers: SessionManagers,
        handler: CommandHandler,
        clock: Clock,
    ) -> None:
        self.provisioned = ProvisionedSessions(parts.payloads, handler, clock)
        self.forwarded = ForwardedSessions(managers, parts.routes, clock)
        self.signatures = parts.signatures

    async def upkeep(self) -> None:
        """Forget what is of no use any more, and seal with the newest key what is not."""
        await self.signatures.sweep()
        await self.provisioned.upkeep()

    async def stop(self) -> None:
        """Hang up."""
        await self.forwarded.managers.close()
