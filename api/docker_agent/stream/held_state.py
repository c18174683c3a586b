"""The state that a stream goes on with, counted for as long as the stream lasts."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from api.docker_agent.stream.translation import Translation
from api.services import Services
from application.commands.states.loaded import Loaded, Weighed
from application.ports.log.events import StoredEvent
from domain.session.state import ABSENT, Session


class HeldState:
    """Counts the state of a session as a translation folds it.

    It counts as what it weighed last and all records since: it is never larger.

    Args:
        services: Of the program.
        weight: Of the state at first, bytes when it is kept.
    """

    def __init__(self, services: Services, weight: int) -> None:
        self._services = services
        self._share = services.readers.share
        # The translation has the state; here it is only weighed.
        self._loaded = Loaded(ABSENT, b"", 0, weighed=Weighed(weight))
        self._share.count(self._loaded.memory)

    async def follow(self, translation: Translation, events: Sequence[StoredEvent]) -> None:
        """Count events that were translated.

        Args:
            translation: Has the state after them.
            events: The next ones.
        """
        loaded, before = self._loaded, self._loaded.memory
        loaded.written += sum(len(stored.record) for stored in events)
        if loaded.is_to_be_weighed:
            loaded.weighs(await _weight_of(self._services, translation.state))
        self._share.count(loaded.memory - before)

    def let_go(self) -> None:
        """Count it no longer."""
        self._share.count(-self._loaded.memory)


@asynccontextmanager
async def holding(services: Services, state: Session) -> AsyncGenerator[HeldState]:
    """Count a state while the context lasts.

    Args:
        services: Of the program.
        state: With which a stream begins.

    Raises:
        Overloaded: Other streams have all of the memory for them.
    """
    weight = await _weight_of(services, state)
    services.readers.require_room()
    held = HeldState(services, weight)
    try:
        yield held
    finally:
        held.let_go()


async def _weight_of(services: Services, state: Session) -> int:
    return await services.repository.weight_of(state) if state.sequence else 0
