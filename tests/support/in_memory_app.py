"""The application over a store in memory, with a clock that stands still until it is moved."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.composition.over_store import handler_over, repository_over
from api.composition.use_cases import attachments_over, presence_over
from application.commands.handler import CommandHandler
from application.commands.request import Caller, IdempotencyKey, Outcome, Request
from application.fan_out import FanOut
from application.ports.session.leases import Lease
from application.ports.store import Store
from application.reads.health import Checkup, Checkups
from application.reads.streams.wait_for import StatusWaits
from domain.session.commands import Command, CreateSession
from infrastructure.clock import SystemClock
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER, SESSION_ID

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FixedClock(SystemClock):
    """A clock that is moved by hand; its ids are new all the same."""

    def __init__(self, at: datetime = START) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_time(self, **time: float) -> None:
        self.at += timedelta(**time)


def lone_handler(store: Store, **rest: Any) -> CommandHandler:
    """Return a handler of commands, as one process has it.

    Args:
        store: Where events go.
        **rest: Of the handler.
    """
    return handler_over(store, repository_over(store), FanOut(), **rest)


class InMemoryApp:
    """The use cases, and short ways to ask for them."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store: Store = MemoryStore(clock=self.clock)
        self.fan_out = FanOut()
        self.repository = repository_over(self.store)
        self.handler = handler_over(self.store, self.repository, self.fan_out)
        self.checkups = Checkups(self.store.session_rows, self.store.presence)
        self.presence = presence_over(self.store, self.handler)
        self.attachments = attachments_over(self.store, self.handler)
        self.waits = StatusWaits(self.store.session_rows, self.fan_out)

    async def do(self, command: Command, session_id: UUID = SESSION_ID) -> Outcome:
        """Have a command done."""
        return await self.handler.handle(Request(session_id, command, actor="user:ada"))

    async def create(self, session_id: UUID = SESSION_ID, **fields: Any) -> UUID:
        """Begin a session and return its id."""
        await self.do(CreateSession(**{"owner": OWNER} | fields), session_id)
        return session_id

    async def types(self, session_id: UUID = SESSION_ID) -> list[str]:
        """Return what is in the log of a session."""
        events = await self.store.log.read(session_id, limit=1000)
        return [event.type for event in events]

    async def data(self, session_id: UUID = SESSION_ID) -> dict[str, Any]:
        """Return the data of the newest event of a session."""
        (event,) = await self.store.log.read_newest(session_id, last=1)
        found: dict[str, Any] = self.store.codec.from_json(event.record)["data"]
        return found

    async def lease(self, session_id: UUID = SESSION_ID) -> Lease | None:
        """Return the lease that is in force."""
        return (await self.store.leases.of([session_id])).get(session_id)

    async def checkup(self, session_id: UUID = SESSION_ID) -> Checkup:
        """Return how a session is."""
        session = await self.store.session_rows.session(session_id)
        assert session is not None
        (found,) = await self.checkups.of([session])
        return found


def asked(
    key: str | None = None,
    fingerprint: bytes = b"f" * 32,
    session_id: UUID = SESSION_ID,
    **conditions: Any,
) -> tuple[Caller, UUID]:
    """Return who asks, and of which session."""
    once = None if key is None else IdempotencyKey(key, fingerprint)
    return Caller(actor="user:ada", origin="http", key=once, **conditions), session_id
