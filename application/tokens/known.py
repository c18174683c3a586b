"""The tokens that are good, known to each process so that a request need not ask for them.

A change wakes every process at once; one that hears nothing looks once a second.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from uuid import UUID

from application.background import Background
from application.errors import StoreUnavailable
from application.fan_out import Signal
from application.ports.access.access_tokens import AccessTokens
from application.tokens.manage import PREFIX, hash_of
from domain.principal import Principal

_LOOK_EVERY = 1.0
_NOTE_EVERY = 5.0
_LAST_NOTE = 0.5
_LOOK_AGAIN = 0.05
"""Seconds between two looks for tokens that are not known, however many come in."""

_logger = logging.getLogger("cairn.tokens")


class KnownTokens:
    """Tells who shows a token.

    Args:
        tokens: Where they are kept.
        changed: Rings when another process has changed them.
        forgotten: Called after tokens have been taken away or have run out.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        changed: Signal,
        forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self._tokens = tokens
        self._changed = changed
        self._forgotten = forgotten
        self._revision = 0
        self._looks = self._latest = self._ended = 0
        self._looking = asyncio.Lock()
        self._known: dict[bytes, tuple[Principal, UUID, float | None]] = {}
        self._good: dict[str, float | None] = {}
        self._used: set[UUID] = set()
        self._noted = self._looked = monotonic()
        self._work = Background(self._keep_up)

    async def start(self) -> None:
        """Read all tokens, and begin to hear of changes.

        Raises:
            StoreUnavailable: The store was lost: nobody can be let in or kept out.
        """
        await self._refresh()
        self._work.start()

    async def stop(self) -> None:
        """Stop to hear of changes, and note the last use."""
        await self._work.stop()
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LAST_NOTE):
                await self._note()

    @property
    def are_asked_for(self) -> bool:
        """Whether everybody has to show a token: from the first one on that was ever made."""
        return self._revision > 0

    async def principal(self, token: str) -> Principal | None:
        """Return who shows a token; None when it is none, or no longer good.

        Args:
            token: As it was shown.
        """
        # Found by its hash: how long this takes tells nothing of the tokens that there are.
        found = self._known.get(hash_of(token))
        if found is None and token.startswith(PREFIX):
            # It may have been made a moment ago, by another process.
            await self._look_anew()
            found = self._known.get(hash_of(token))
        if found is None or not _lasts(found[2]):
            return None
        self._used.add(found[1])
        return found[0]

    def is_good(self, token_id: str) -> bool:
        """Return whether a token still lets its holder in.

        Args:
            token_id: Its id.
        """
        return token_id in self._good and _lasts(self._good[token_id])

    async def refresh(self) -> None:
        """Read what has changed: whoever changes something here knows it when this is done."""
        with suppress(StoreUnavailable):
            await self._refresh()

    async def _look_anew(self) -> None:
        """Wait for a look that begins after this; many who wait share one."""
        begun = self._looks
        async with self._looking:
            if self._ended <= begun:
                await asyncio.sleep(max(0.0, self._looked + _LOOK_AGAIN - monotonic()))
                await self.refresh()

    async def _refresh(self) -> None:
        self._looked = monotonic()
        self._looks += 1
        look = self._looks
        try:
            await self._look(look)
        finally:
            self._ended = max(look, self._ended)

    async def _look(self, look: int) -> None:
        revision = await self._tokens.revision()
        if revision != self._revision:
            now = monotonic()
            known = {
                hashed: (
                    Principal(
                        actor=token.name,
                        rights=token.rights,
                        app=token.app,
                        user=token.user,
                        token_id=str(token.token_id),
                        is_named=True,
                    ),
                    token.token_id,
                    None if token.expires_in is None else now + token.expires_in.total_seconds(),
                )
                for hashed, token in await self._tokens.hashes()
            }
            if look < self._latest:
                return  # another look began later and is done: it knows of what was revoked since
            self._known = known
            self._good = {str(token_id): end for _, token_id, end in known.values()}
            self._revision = revision
        self._latest = max(look, self._latest)
        self._forgotten()

    async def _keep_up(self) -> None:
        while True:
            await self._changed.wait(_LOOK_EVERY)
            try:
                await self._refresh()
                if monotonic() - self._noted >= _NOTE_EVERY:
                    await self._note()
            except StoreUnavailable:
                continue
            except Exception:
                # Without this task revoked tokens would go on to be let in: nothing may end it.
                _logger.exception("the access tokens could not be read; trying again")

    async def _note(self) -> None:
        used, self._used = self._used, set()
        self._noted = monotonic()
        if used:
            try:
                await self._tokens.used(used)
            except StoreUnavailable:
                self._used |= used
                raise


def _lasts(end: float | None) -> bool:
    return end is None or monotonic() < end
