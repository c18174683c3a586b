"""What sessions were asked for with, sealed, on Postgres."""

from typing import Any
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.ports.managers.provision_payloads import PayloadLocked
from infrastructure.keys.sealing import CannotOpen, Plain, Sealer
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("provision_payloads")
_RESEALED_AT_ONCE = 200


class PostgresProvisionPayloads:
    """The payloads; see `application.ports.managers.provision_payloads.ProvisionPayloads`.

    Args:
        database: Where they are kept.
        sealer: Seals them.
    """

    def __init__(self, database: Database, sealer: Plain | Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def put(
        self, session_id: UUID, payload: str, signed: SignedRequest | None = None
    ) -> bool:
        """Seal and keep a payload."""
        sealed = self._sealer.seal(payload, _about(session_id))
        values: dict[str, Any] = {"session": session_id, "sealed": sealed}
        if signed is None:
            return bool(await self._database.fetch(_STATEMENTS["put"], values))
        values |= {"hashed": signed.hashed, "request": signed.request, "until": signed.until}
        signed.is_kept = bool(await self._database.fetch(_STATEMENTS["put_once"], values))
        return signed.is_kept

    async def get(self, session_id: UUID) -> str | None:
        """Return a payload as it came."""
        rows = await self._database.fetch(_STATEMENTS["get"], {"session": session_id})
        return self._opened(session_id, rows[0][0]) if rows else None

    async def delete(self, session_id: UUID) -> None:
        """Take a payload away."""
        await self._database.run(_STATEMENTS["delete"], {"session": session_id})

    async def reseal(self) -> int:
        """Seal some with the newest key that are not."""
        current = self._sealer.current_mark()
        if not current:
            return 0  # nothing is sealed any more: what was needs its key
        values = {"current": current, "limit": _RESEALED_AT_ONCE}
        resealed = 0
        for session_id, kept in await self._database.fetch(_STATEMENTS["not_current"], values):
            payload = self._opened(session_id, kept)
            sealed = self._sealer.seal(payload, _about(session_id))
            changed = {"session": session_id, "kept": kept, "sealed": sealed}
            resealed += bool(await self._database.fetch(_STATEMENTS["reseal"], changed))
        return resealed

    async def sweep(self) -> None:
        """Take away payloads of sessions that never began."""
        await self._database.run(_STATEMENTS["sweep"], {})

    def _opened(self, session_id: UUID, kept: str) -> str:
        try:
            return self._sealer.open(kept, _about(session_id))
        except CannotOpen as error:
            raise PayloadLocked(f"the payload of session {session_id}: {error}") from error


def _about(session_id: UUID) -> str:
    return f"provision payload {session_id}"
