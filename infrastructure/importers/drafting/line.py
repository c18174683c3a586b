"""How much is said in a draft, so that it can go back to before one of its turns."""

from domain.session.content.saying import SAYING
from domain.session.events import ConversationRewound, Recorded, SummaryAdded, TurnStarted
from domain.session.state import Spoken


class Line:
    """Follows what is said in a log of its own, event by event."""

    def __init__(self) -> None:
        self._spoken = Spoken()
        self._epoch = 0
        self._summaries: list[tuple[int, SummaryAdded | None]] = [(0, None)]
        """What counts from a sequence on, the newest at the end."""
        self._before: dict[str, tuple[int, int]] = {}
        """After which event each turn begins, and how many messages there are then."""

    def take(self, recorded: Recorded) -> None:
        """Take in the next event."""
        event = recorded.event
        if isinstance(event, TurnStarted):
            self._before[event.turn_id] = (recorded.sequence - 1, self._spoken.messages)
        said = SAYING.get(type(event))
        if said is not None:
            self._spoken = said(self._spoken, event, recorded)
        if isinstance(event, SummaryAdded):
            self._summaries.append((recorded.sequence, event))
        if isinstance(event, ConversationRewound):
            self._epoch = event.epoch
            now = self._summary_at(event.to)
            if now is not self._summaries[-1][1]:
                self._summaries.append((recorded.sequence, now))

    def went_back(self, turn_id: str) -> ConversationRewound | None:
        """Return what takes back a turn and all after it; None where there is no such turn.

        Args:
            turn_id: Of the turn.
        """
        if turn_id not in self._before:
            return None
        to, messages = self._before[turn_id]
        then, (since, now) = self._summary_at(to), self._summaries[-1]
        kept = now if since <= to else None
        again = None if then == kept else then
        return ConversationRewound(to=to, epoch=self._epoch + 1, messages=messages, summary=again)

    def _summary_at(self, sequence: int) -> SummaryAdded | None:
        return next(one for since, one in reversed(self._summaries) if since <= sequence)
