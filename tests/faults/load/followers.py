"""Readers that follow a log through everything, and resume on what they have."""

import asyncio
from collections.abc import Sequence
from random import Random

from tests.faults.history import GIVEN_UP, LOST, WHOLE_LOG, Following, Look, Seen
from tests.faults.load.clients import Known
from tests.faults.load.recorder import worker_of
from tests.support.sse import Ended, Lost, Stream, open_stream

_SILENCE = 12.0
"""Seconds without even a ping, after which a reader comes back."""


class Follower:
    """Follows one session, or the whole log.

    Args:
        known: Shared by all.
        name: Of this reader.
        log: A session, or `WHOLE_LOG`.
        ports: Where it may connect to, and whether that is the server itself.
        rng: What it draws from.
    """

    def __init__(
        self,
        known: Known,
        name: str,
        log: str,
        ports: Sequence[tuple[int, bool]],
        rng: Random,
    ) -> None:
        self.name = name
        self.log = log
        self.cursor = 0
        self._recorder = known.recorder
        self._ports = ports
        self._rng = rng
        self._recorder.add(Following(reader=name, log=log, at=self._recorder.now(), after=0))

    async def run(self) -> None:
        """Follow until it is cancelled."""
        while True:
            try:
                await self._follow()
            except (Lost, Ended, TimeoutError, AssertionError):
                # An AssertionError is an answer that is no stream: it was refused.
                await asyncio.sleep(0.05 + 0.1 * self._rng.random())

    async def _follow(self) -> None:
        if self.log == WHOLE_LOG:
            path, last = f"/v1/events?after={self.cursor}", None
        else:
            path, last = f"/v1/sessions/{self.log}/events", self.cursor
        stream = await self._open(path, last)
        try:
            for _ in range(self._rng.randint(3, 100)):
                await self._take(stream)
        finally:
            stream.close()

    async def _open(self, path: str, last: int | None) -> Stream:
        port, direct = self._rng.choice(self._ports)
        called = self._recorder.now()
        look = Look(session=self.log, way="follow", called=called, returned=0.0, direct=direct)
        try:
            async with asyncio.timeout(_SILENCE):
                stream = await open_stream(port, path, last_event_id=last)
            look.status, look.worker = 200, worker_of(stream.headers)
        except Lost:
            look.code = LOST
            raise
        except TimeoutError:
            look.code = GIVEN_UP
            raise
        finally:
            look.returned = self._recorder.now()
            self._recorder.add(look)
        return stream

    async def _take(self, stream: Stream) -> None:
        frame = await stream.next(_SILENCE)
        if frame.is_stored and frame.id is not None:
            event = frame.json
            self._recorder.add(
                Seen(
                    reader=self.name,
                    log=self.log,
                    at=self._recorder.now(),
                    number=frame.id,
                    id=event["id"],
                )
            )
            self.cursor = frame.id
