"""The states that were used last, in memory, and how large they are.

It takes a while to measure a large state, so a thread does it and the event loop goes on. Until the
size is known, a state counts as its last size and all that was added since: it is never larger.
"""

import asyncio
from collections import OrderedDict
from uuid import UUID

from application.commands.states.loaded import Loaded
from application.commands.states.past_states import PastStates
from application.memory_budget import Share
from application.ports.session.snapshots import SnapshotStore
from domain.session.state import Session

_AT_ONCE = 128 * 1024
"""The bytes of a state up to which it is weighed within a millisecond or two."""


class StateCache:
    """Keeps states for as long as there is room for them.

    Args:
        snapshots: Weighs them.
        share: The memory for states; the one that was used last is kept in any case.
        past: Gives way first.
    """

    def __init__(self, snapshots: SnapshotStore, share: Share, past: PastStates) -> None:
        self._snapshots = snapshots
        self._share = share
        self._past = past
        self._states: OrderedDict[int, Loaded] = OrderedDict()
        """By the numbers that ids are: Python code compares UUIDs, and hashes them."""
        self._weighing: dict[UUID, asyncio.Task[None]] = {}

    def look_at(self, session_id: UUID) -> Loaded | None:
        """Return the state of a session, which was not used by that."""
        return self._states.get(session_id.int)

    def use(self, session_id: UUID) -> Loaded | None:
        """Return the state of a session, which may be behind the log; None when there is none."""
        found = self._states.get(session_id.int)
        if found is not None:
            self._states.move_to_end(session_id.int)
        return found

    def keep(self, session_id: UUID, loaded: Loaded) -> None:
        """Keep a state, unless a newer one is there.

        Args:
            session_id: Whose.
            loaded: What the log comes to.
        """
        before = self._states.get(session_id.int)
        freed = 0
        if before is not None:
            if before.session.sequence > loaded.session.sequence:
                return
            # Before it is weighed anew, which changes what both of them weigh.
            freed = before.memory
        if loaded.is_to_be_weighed:
            if loaded.weight <= _AT_ONCE:
                loaded.weighs(self._snapshots.weigh(loaded.session))
            elif session_id not in self._weighing:
                weighing = self._weigh_meanwhile(session_id, loaded)
                self._weighing[session_id] = asyncio.create_task(weighing)
        self._states[session_id.int] = loaded
        self._share.count(loaded.memory - freed)
        if self._share.is_over:
            self._make_room()

    def _make_room(self) -> None:
        """Drop states until the others have room; the one that was used last stays."""
        self._past.make_room()
        while self._share.is_over and len(self._states) > 1:
            _, oldest = self._states.popitem(last=False)
            self._share.count(-oldest.memory)

    def forget(self, session_id: UUID) -> None:
        """Drop the state of a session."""
        found = self._states.pop(session_id.int, None)
        if found is not None:
            self._share.count(-found.memory)

    async def weight_of(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept.

        Args:
            session: Of any size.
        """
        return await asyncio.to_thread(self._snapshots.weigh, session)

    async def weigh(self, session_id: UUID, loaded: Loaded) -> None:
        """Look how large a state is now.

        Args:
            session_id: Whose.
            loaded: Whose weight is noted; it need not be kept here.
        """
        self._note(session_id, loaded, await self.weight_of(loaded.session))

    async def _weigh_meanwhile(self, session_id: UUID, loaded: Loaded) -> None:
        """Weigh a state that is kept here, while more may be written to its session."""
        try:
            size = await self.weight_of(loaded.session)
        finally:
            del self._weighing[session_id]
        # A later one may have been weighed meanwhile.
        if loaded.weighed.written <= loaded.written:
            self._note(session_id, loaded, size)

    def _note(self, session_id: UUID, loaded: Loaded, size: int) -> None:
        kept = self._states.get(session_id.int)
        # One that was loaded anew has nothing to do with this one.
        is_counted = kept is not None and kept.weighed is loaded.weighed
        before = kept.memory if kept is not None else 0
        loaded.weighs(size)
        if kept is not None and is_counted:
            self._share.count(kept.memory - before)
