"""The tiles of the tree over the log, and the signed heads of it, on Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg import AsyncConnection

from application.ports.log.transparency import SignedHead
from domain.errors import LogDamaged
from domain.transparency.notes import TreeHead
from domain.transparency.tiles import WIDTH, CompleteTile, TileId
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("transparency")
_BEYOND_ALL = 2**63 - 1


class PostgresTiles:
    """The tiles; see `application.ports.log.transparency.Tiles`.

    Args:
        database: Where the log and the tiles are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def digests(self, after: int, upto: int) -> bytes:
        """Return the digests of events, joined in order of position."""
        if upto <= after:
            return b""
        rows = await self._database.fetch(_STATEMENTS["digests"], {"after": after, "upto": upto})
        joined, count = rows[0]
        if count != upto - after:
            raise LogDamaged(
                f"{upto - after - count} of the positions {after + 1} to {upto} are missing in the"
                " log; `cairn verify --all` says which sessions lost them"
            )
        return bytes(joined)

    async def hashes(self, widths: Mapping[TileId, int]) -> Mapping[TileId, bytes]:
        """Return the first hashes of tiles, joined, from what is kept of the tree."""
        if not widths:
            return {}
        values = {
            "levels": [tile.level for tile in widths],
            "numbers": [tile.number for tile in widths],
            "widths": [*widths.values()],
            "width": WIDTH,
        }
        found: dict[TileId, bytes] = {}
        for level, number, hashes, count in await self._database.fetch(
            _STATEMENTS["hashes"], values
        ):
            at = TileId(level, number)
            if count is None or count == widths[at]:
                found[at] = bytes(hashes)
            elif level > 0:
                missing = widths[at] - count
                raise LogDamaged(f"{missing} tiles of level {level - 1} are no longer kept")
        return found

    async def kept(self, tiles: Sequence[TileId]) -> Sequence[CompleteTile]:
        """Return of some tiles those that are kept, as they are kept."""
        values = {
            "levels": [tile.level for tile in tiles],
            "numbers": [tile.number for tile in tiles],
        }
        rows = await self._database.fetch(_STATEMENTS["kept"], values)
        return [
            CompleteTile(TileId(level, number), bytes(hashes), bytes(root))
            for level, number, hashes, root in rows
        ]

    async def keep(self, transaction: AsyncConnection, tiles: Sequence[CompleteTile]) -> None:
        """Keep tiles."""
        values = {
            "levels": [tile.at.level for tile in tiles],
            "numbers": [tile.at.number for tile in tiles],
            "hashes": [tile.hashes for tile in tiles],
            "roots": [tile.root for tile in tiles],
        }
        await transaction.execute(_STATEMENTS["keep"], values)


class PostgresSignedHeads:
    """The signed heads; see `application.ports.log.transparency.SignedHeads`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, head: TreeHead, signers: str, note: str) -> SignedHead:
        """Keep a signed head, or return the one that was kept before."""
        values = {**head._asdict(), "signers": signers, "note": note}
        added = await self._database.fetch(_STATEMENTS["add_head"], values)
        kept = _head(*added[0]) if added else await self.of_size(head.size, signers)
        if kept is None:
            raise LogDamaged("a signed checkpoint that was just kept is not there")
        return kept

    async def of_size(self, size: int, signers: str) -> SignedHead | None:
        """Return the head over so many leaves that these keys have signed."""
        values = {"size": size, "signers": signers}
        rows = await self._database.fetch(_STATEMENTS["head_of_size"], values)
        return _head(*rows[0]) if rows else None

    async def page(self, before: int | None, limit: int) -> Sequence[SignedHead]:
        """Return some with smaller trees, the largest first."""
        values = {"before": _BEYOND_ALL if before is None else before, "limit": limit}
        rows = await self._database.fetch(_STATEMENTS["heads"], values)
        return [_head(*row) for row in rows]

    async def between(self, after: int, upto: int) -> Sequence[SignedHead]:
        """Return those with trees of some sizes, the smallest first."""
        rows = await self._database.fetch(
            _STATEMENTS["heads_between"], {"after": after, "upto": upto}
        )
        return [_head(*row) for row in rows]


def _head(origin: str, size: int, root: bytes, note: str, at: datetime) -> SignedHead:
    return SignedHead(TreeHead(origin, size, bytes(root)), note, at)
