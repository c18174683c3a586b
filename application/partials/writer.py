"""Keeping what is being written: many sessions in one statement, beside the appends."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.partials.book import KEPT_WITHIN
from application.partials.partial import Mark, Partial
from application.partials.session_partials import SessionPartials
from application.ports.session.partials import KeptPiece, PartialStore

_AGAIN = 0.25
_AT_ONCE = 1024 * 1024

_logger = logging.getLogger("cairn.partials")


class PartialWriter:
    """Writes what is new, at most every 50 ms.

    Args:
        store: Where it is kept.
        fan_out: What is being written.
    """

    def __init__(self, store: PartialStore, fan_out: FanOut) -> None:
        self._store = store
        self._book = fan_out.partials
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._waiting: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Keep what is not kept yet, and end."""
        self._stopping = True
        self._book.to_keep.set()
        if self._task is not None:
            await self._task
        await self._write()

    async def kept(self) -> None:
        """Return when what is there now is kept.

        Raises:
            StoreUnavailable: It could not be written.
        """
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append(kept)
        self._book.to_keep.set()
        await kept

    async def _run(self) -> None:
        while not self._stopping:
            await self._book.to_keep.wait()
            done = await self._write()
            await asyncio.sleep(KEPT_WITHIN if done else _AGAIN)

    async def _write(self) -> bool:
        waiting, self._waiting = self._waiting, []
        sessions, endings = self._book.take_work()
        try:
            for batch in _batches(sessions):
                await self._store.keep([kept for kept, _, _ in batch])
                for _, partial, mark in batch:
                    partial.kept = mark
            if endings:
                await self._store.forget(endings)
        except Exception as error:
            if not isinstance(error, StoreUnavailable):
                # What others say is kept by this task too: nothing may end it.
                _logger.exception("what is being written could not be kept; trying again")
            self._book.keep_again(sessions, endings)
            _settle(waiting, StoreUnavailable())
            return False
        self._book.settle(sessions)
        _settle(waiting, None)
        return True


def _batches(
    sessions: Sequence[SessionPartials],
) -> Iterator[list[tuple[KeptPiece, Partial, Mark]]]:
    """Yield what is not kept yet, so much of it at a time as one statement takes."""
    batch: list[tuple[KeptPiece, Partial, Mark]] = []
    size = 0
    for session in sessions:
        for partial in list(session.messages.values()):
            mark = partial.mark
            if partial.kept == mark or session.turn_id is None:
                continue
            piece = partial.after(partial.kept)
            batch.append((KeptPiece(session.session_id, session.turn_id, piece), partial, mark))
            size += len(piece.text)
            if size > _AT_ONCE:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _settle(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for one in waiting:
        if one.done():
            continue
        if error is None:
            one.set_result(None)
        else:
            one.set_exception(error)
