"""How a privileged read becomes an event before it is answered, in a log that nobody can edit.

    access → recorded a moment ago? → encode, chain → append

The log belongs to the store, not to a session. A read waits for its record for a few seconds at
most, and those that wait at once are written one after the other.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

from application.commands.records import RecordEncoder
from application.commands.request import AccessRequest, Caller
from application.errors import Busy, StoreUnavailable, VersionConflict
from application.fan_out import FanOut
from application.ports.clock import Clock
from application.ports.log.append import Append
from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from application.ports.log.events import NewEvent
from domain.access.events import ACCESS_LOG, AccessGranted
from domain.access.rules import COVERS, decide
from domain.log.chain import genesis, link, record_hash

_ATTEMPTS = 20
_LARGEST = 64 * 1024
_MOST_RECENT = 1000
_MOST_WAITING = 200
_PATIENCE = 5.0

_Reader = tuple[str, str, str | None, str | None, frozenset[tuple[str, str]]]


class AccessHandler:
    """Records privileged reads.

    Args:
        log: Where accesses are recorded.
        codec: Writes their records.
        clock: Tells when somebody reads.
        fan_out: Who hears of new events.
    """

    def __init__(self, log: EventLog, codec: Codec, clock: Clock, fan_out: FanOut) -> None:
        self._log = log
        self._clock = clock
        self._fan_out = fan_out
        self._encode = RecordEncoder(codec, clock, largest=_LARGEST)
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._recent: OrderedDict[_Reader, datetime] = OrderedDict()
        self._end: tuple[int, bytes] | None = None

    async def record(self, caller: Caller, access: AccessGranted) -> None:
        """Make it durable that somebody reads; only then may the read be answered.

        Args:
            caller: Who reads.
            access: What.

        Raises:
            Busy: Too many reads wait for their records.
            StoreUnavailable: It cannot be recorded now, so the read must not be answered.
        """
        if self._waiting >= _MOST_WAITING:
            raise Busy("too many privileged reads wait for their records; try again")
        request = AccessRequest(
            access, caller.actor, caller.origin, caller.causation, claimed=caller.claimed
        )
        self._waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE), self._lock:
                await self._record(request)
        except TimeoutError as error:
            raise StoreUnavailable("the access could not be recorded; try again") from error
        finally:
            self._waiting -= 1

    async def _record(self, request: AccessRequest) -> None:
        reader, now = _reader(request), self._clock.now()
        decided = decide(request.access, self._recent.get(reader), now)
        for access in decided:
            await self._append(request, now, access)
            self._remember(reader, now)

    async def _append(self, request: AccessRequest, now: datetime, access: AccessGranted) -> None:
        name, record = self._encode(request, now, access, None)
        for _ in range(_ATTEMPTS):
            sequence, digest = self._end or await self._newest()
            # Where the log ends is not known again until the append has come through.
            self._end = None
            event = NewEvent(name, record, link(digest, record_hash(record)))
            append = Append(ACCESS_LOG, sequence, [event], now, of_store=True)
            try:
                position = await self._log.append(append)
            except VersionConflict:
                continue
            self._end = sequence + 1, event.digest
            self._fan_out.publish(ACCESS_LOG, append, position)
            return
        raise Busy("too many processes record accesses at once; try again")

    async def _newest(self) -> tuple[int, bytes]:
        newest = await self._log.read_newest(ACCESS_LOG, last=1)
        return (newest[0].sequence, newest[0].digest) if newest else (0, genesis(ACCESS_LOG))

    def _remember(self, reader: _Reader, now: datetime) -> None:
        recent = self._recent
        recent[reader] = now
        recent.move_to_end(reader)
        while len(recent) > _MOST_RECENT or recent[next(iter(recent))] + COVERS <= now:
            recent.popitem(last=False)


def _reader(request: AccessRequest) -> _Reader:
    access = request.access
    of: Mapping[str, str] = access.where
    return (
        f"{request.origin} {request.actor}",
        access.to,
        str(access.session_id),
        str(access.webhook_id),
        frozenset(of.items()),
    )
