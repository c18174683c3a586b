"""Blobs that a command names: noted for its session before it is decided, so that they stay.

What is noted and then refused is in doubt: a sweep looks into the log, and frees what is not there.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Request
from application.errors import BlobMissing
from application.ports.session.blobs import BlobOwner, BlobStore
from domain.blobs import NamedBlobs, named_blobs
from domain.session.commands import CreateSession

_GONE = ("absent", "deleted", "erased")

Later = Callable[[Coroutine[Any, Any, None]], None]


class BlobNaming:
    """Notes what commands name.

    Args:
        blobs: Where it is noted.
        repository: Knows whose each session is.
        later: Has something done that nobody waits for.
    """

    def __init__(self, blobs: BlobStore, repository: SessionRepository, later: Later) -> None:
        self._blobs = blobs
        self._repository = repository
        self._later = later

    @staticmethod
    def concerns(request: Request) -> bool:
        """Return whether a request names blobs, or is for a fork, which has those of its origin."""
        return request.inherits is not None or bool(named_blobs(request.command).all)

    @asynccontextmanager
    async def noted(self, request: Request) -> AsyncGenerator[None]:
        """Note what a request names while it is being done; in doubt when it is refused.

        Args:
            request: What is asked.

        Raises:
            BlobMissing: A part of type image or file names a blob that is not there for the owner
                of the session.
        """
        new = await self._note(request)
        try:
            yield
        except BaseException:
            if new:
                self._later(self._blobs.doubt(request.session_id, new))
            raise

    async def _note(self, request: Request) -> Collection[str]:
        """Return what the session had not named before."""
        new: set[str] = set()
        command, session_id = request.command, request.session_id
        if isinstance(command, CreateSession):
            owner = BlobOwner(command.owner.app, command.owner.user)
            if request.inherits is not None and command.forked_from is not None:
                origin = command.forked_from.session_id
                new |= await self._blobs.inherit(session_id, origin)
        else:
            lifecycle = (await self._repository.load(session_id)).session.lifecycle
            if lifecycle.phase in _GONE:
                return ()  # it is refused
            owner = BlobOwner(lifecycle.owner.app, lifecycle.owner.user)
        named = named_blobs(command)
        if named.all:
            new |= await self._name(session_id, owner, named)
        return new

    async def _name(self, session_id: UUID, owner: BlobOwner, named: NamedBlobs) -> set[str]:
        there = await self._blobs.name(session_id, owner, named.all)
        new = {name for name, is_new in there.items() if is_new}
        missing = sorted(named.required - there.keys())
        if missing:
            if new:
                self._later(self._blobs.doubt(session_id, new))
            raise BlobMissing(
                f"there is no blob {missing[0]} of this app and user; send its bytes first",
                blobs=missing,
            )
        return new
