"""How much is said while events of another framework are kept, and how one takes it back."""

from collections.abc import Sequence

from domain.replacing import replace
from domain.session.content.conversation import Past, went_back
from domain.session.events import ConversationRewound, MessageAdded, SessionEvent
from domain.session.state import Session


class ForeignLine:
    """Follows what is said outside of turns, event by event.

    Args:
        session: The state before them.
        behind: What comes before them in the same append.
    """

    def __init__(self, session: Session, behind: Sequence[SessionEvent]) -> None:
        self._session = session
        self._epoch = session.lifecycle.epoch
        self._now = Past(session.sequence, session.spoken.messages, session.description.summary)
        self._before: dict[str, Past] = {}
        self._take(behind)

    def went_back(self, before: str, past: Past | None) -> list[SessionEvent]:
        """Return what says that the conversation goes back, if there is something to go back to.

        Args:
            before: The `turn_id` of the event before which it goes.
            past: What was said before that one, if the log has it.
        """
        past = past or self._before.get(before)
        if past is None:
            return []
        return [replace(went_back(self._session, past), epoch=self._epoch + 1)]

    def goes_on(self, turn_id: str | None, kept: Sequence[SessionEvent]) -> None:
        """Go on behind an event.

        Args:
            turn_id: The turn that it would belong to.
            kept: All that it is recorded as.
        """
        if turn_id is not None:
            self._before.setdefault(turn_id, self._now)
        self._take(kept)

    def _take(self, kept: Sequence[SessionEvent]) -> None:
        to, messages, summary = self._now
        for one in kept:
            match one:
                case MessageAdded():
                    messages += 1
                case ConversationRewound():
                    messages, self._epoch = one.messages, one.epoch
                case _:
                    pass
        self._now = Past(to + len(kept), messages, summary)
