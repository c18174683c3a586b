"""Blobs that a command names: noted for its session before it is decided, so that they stay.

When the command is refused, its notes are in doubt: a sweep looks into the log, and frees the blobs
that the log does not name.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Request
from application.errors import BlobMissing
from application.ports.blobs.blob import BlobOwner
from application.ports.blobs.naming import BlobNames
from domain.blobs import NONE_NAMED, named_blobs
from domain.replacing import replace
from domain.session.commands import Command, CreateSession, RecordActivity
from domain.session.events import ActivityEvent
from domain.session.turn.activity_batch import with_problem

_GONE = ("absent", "deleted", "erased")

Later = Callable[[Coroutine[Any, Any, None]], None]


class BlobNaming:
    """Notes what commands name.

    Args:
        blobs: Where it is noted.
        repository: Knows whose each session is.
        later: Has something done that nobody waits for.
    """

    def __init__(self, blobs: BlobNames, repository: SessionRepository, later: Later) -> None:
        self._blobs = blobs
        self._repository = repository
        self._later = later

    @asynccontextmanager
    async def noted(self, request: Request) -> AsyncGenerator[Request]:
        """Note what a request names while it is being done; in doubt when it is refused.

        It is done as what is given: where what is not right is kept verbatim, so is an event that
        names a blob that is not there.

        Args:
            request: What is asked.

        Raises:
            BlobMissing: A part of type image or file names a blob that is not there for the owner
                of the session.
        """
        new, command = await self._note(request)
        try:
            yield request if command is request.command else request._replace(command=command)
        except BaseException:
            self._doubt(request.session_id, new)
            raise

    def _doubt(self, session_id: UUID, names: Collection[str]) -> None:
        if names:
            self._later(self._blobs.doubt(session_id, names))

    async def _note(self, request: Request) -> tuple[Collection[str], Command]:
        """Return what the session had not named before, and what is to be done."""
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
                return (), command  # it is refused
            owner = BlobOwner(lifecycle.owner.app, lifecycle.owner.user)
        named = named_blobs(command)
        if named.all:
            there = await self._blobs.name(session_id, owner, named.all)
            new |= {name for name, is_new in there.items() if is_new}
            missing = named.required - there.keys()
            if missing:
                try:
                    command = _without(missing, command)
                except BlobMissing:
                    self._doubt(session_id, new)
                    raise
                self._doubt(session_id, new - named_blobs(command).all)
        return new, command


def names_blobs(request: Request) -> bool:
    """Return whether a request names blobs, or is for a fork, which has those of its origin.

    Args:
        request: What is asked.
    """
    return request.inherits is not None or named_blobs(request.command) is not NONE_NAMED


def _without(missing: Collection[str], command: Command) -> Command:
    """Return a command whose events that name what is not there are kept verbatim, or refuse it."""
    if not isinstance(command, RecordActivity):
        raise _missing(missing)
    events: list[ActivityEvent] = list(command.events)
    for index, event in enumerate(events):
        lacking = named_blobs(event).required.intersection(missing)
        if not lacking:
            continue
        refused = _missing(lacking)
        if not command.instead:
            refused.facts["index"] = index
            raise refused
        events[index] = with_problem(command.instead[index], refused.code, refused.detail)
    return replace(command, events=tuple(events))


def _missing(names: Collection[str]) -> BlobMissing:
    missing = sorted(names)
    detail = f"there is no blob {missing[0]} of this app and user; send its bytes first"
    return BlobMissing(detail, blobs=missing)
