"""Tickets of streams on Postgres."""

from datetime import timedelta

from application.ports.access.tickets import Ticket
from domain.principal import Principal
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("tickets")


class PostgresTickets:
    """The tickets; see `application.ports.access.tickets.Tickets`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, hashed: bytes, ticket: Ticket, lifetime: timedelta, most: int) -> bool:
        """Keep a ticket."""
        principal = ticket.principal
        values = {
            "hashed": hashed,
            "path": ticket.path,
            "actor": principal.actor,
            "rights": sorted(principal.rights),
            "app": principal.app,
            "user": principal.user,
            "token_id": principal.token_id,
            "is_named": principal.is_named,
            "principal_expires_at": principal.expires_at,
            "counted_by": principal.key,
            "lifetime": lifetime,
            "most": most,
        }
        return bool(await self._database.fetch(_STATEMENTS["add"], values))

    async def spend(self, hashed: bytes) -> Ticket | None:
        """Take a ticket away and return it."""
        rows = await self._database.fetch(_STATEMENTS["spend"], {"hashed": hashed})
        if not rows:
            return None
        path, actor, rights, app, user, token_id, is_named, expires_at, counted_by, is_good = rows[
            0
        ]
        principal = Principal(
            actor=actor,
            rights=frozenset(rights),
            app=app,
            user=user,
            token_id=token_id,
            is_named=is_named,
            expires_at=expires_at,
            counted_by=counted_by,
        )
        return Ticket(path, principal) if is_good else None
