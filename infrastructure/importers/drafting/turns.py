"""The turns of a session that is drafted: begun, ended, and what stands in none."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from application.transfer.foreign import Draft, Tally
from domain.replacing import maker
from domain.session.events import (
    ActivityEvent,
    AgentMessage,
    MessageAdded,
    Recorded,
    SessionEvent,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from domain.values import Failure, JsonObject, Part, Role, TurnSource, Usage
from infrastructure.importers.drafting.belonging import Belonging, OpenCall, RunningTurn
from infrastructure.importers.drafting.line import Line
from infrastructure.importers.drafting.names import UsedNames
from infrastructure.importers.reading.values import id_of, name_of

INFERRED: JsonObject = {"inferred": True}
_draft = maker(Draft)


class TurnDrafter:
    """Takes what happened in the order of the source, and gives drafts of events.

    A source that does not say how its turns end has them ended before the next one begins; its
    last turn is left as it was found.

    Args:
        source: The kind of source, such as `adk`.
        session_id: Of the session.
        begins: The time of what comes before anything that has one.
        tally: What is found is counted here.
        name: What the source calls the session.
        is_fork: Its events come after those of another session, whose ids it must not repeat.
    """

    def __init__(
        self,
        source: str,
        session_id: UUID,
        begins: datetime,
        tally: Tally,
        *,
        name: str,
        is_fork: bool = False,
    ) -> None:
        self.at = begins
        self.tally = tally
        self.sequence = 1
        self.source = source
        self.made = f"{session_id.hex[:8]}-" if is_fork else ""
        self.session_id = session_id
        self.name = name
        self._drafts: list[Draft] = []
        self._turn: RunningTurn | None = None
        self.names = UsedNames(tally)
        self._belonging = Belonging()
        self._open: dict[str, OpenCall] = {}
        self._returned: set[str] = set()
        self._actor: str | None = None
        self._cause: str | None = None
        self._key: str | None = None
        self._numbered = 0
        self._line = None if is_fork else Line()

    # ── where it stands ──────────────────────────────────────────────────────────────────────

    def item(
        self,
        at: datetime | None,
        *,
        cause: str | None = None,
        key: str | None = None,
        actor: str | None = None,
    ) -> None:
        """Turn to the next item of the source.

        Args:
            at: Its time; None takes that of the one before.
            cause: The source's own id of it, for people.
            key: An id of it that nobody can guess, of which those of its events are made.
            actor: Who did it.
        """
        if at is None:
            self.tally.notes["time_inferred"] += 1
        else:
            self.at = at
        self._cause, self._key, self._actor, self._numbered = cause, key, actor, 0

    def take(self) -> list[Draft]:
        """Return the drafts since the last time."""
        drafts, self._drafts = self._drafts, []
        return drafts

    @property
    def turn_id(self) -> str | None:
        """The turn that runs."""
        return None if self._turn is None else self._turn.turn_id

    @property
    def open_calls(self) -> Sequence[str]:
        """The ids of the calls that have no result yet."""
        return tuple(self._open)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing runs, or only what an agent seems to have finished."""
        turn = self._turn
        return turn is None or (turn.ends_in_text and not self._open_here())

    def finish(self) -> None:
        """Count what is left open; the last thing to do."""
        if self._open:
            self.tally.notes["open_call"] += len(self._open)
        if self._turn is not None:
            self.tally.notes["open_turn"] += 1

    def add(self, event: SessionEvent, turn_id: str | None = None) -> None:
        """Add an event as it is.

        Args:
            event: Of the running turn where it is what an agent does; then there must be one.
            turn_id: Of its envelope; None takes the one that it belongs to, if it does.
        """
        made = None
        if self._key is not None:
            made = uuid5(self.session_id, f"{self._key}:{self._numbered}")
            self._numbered += 1
        self._drafts.append(
            _draft(
                event=event,
                at=self.at,
                id=made,
                actor=self._actor,
                turn_id=turn_id or self._belonging.turn_of(event, self.turn_id),
                causation=self._cause,
            )
        )
        self.sequence += 1
        if self._line is not None:
            self._line.take(Recorded(self.sequence, self.at, event))

    def require_turn(self) -> None:
        """Begin a turn where none runs, for what an agent does all the same."""
        if self._turn is None:
            self.tally.notes["inferred_turn"] += 1
            parts: tuple[Part, ...] = ({"type": "text", "text": ""},)
            self._start(None, None, parts, "synthetic", INFERRED)

    def act(self, event: ActivityEvent) -> None:
        """Add what an agent does; where no turn runs, one is begun for it.

        Args:
            event: That.
        """
        self.require_turn()
        turn = self._turn
        if turn is not None:
            turn.is_worked_in = True
            turn.ends_in_text = isinstance(event, AgentMessage)
        self.add(event)

    # ── turns ────────────────────────────────────────────────────────────────────────────────

    def ask(
        self,
        parts: Sequence[Part],
        *,
        turn_id: str | None = None,
        message_id: str | None = None,
        source: TurnSource = "user",
        meta: JsonObject | None = None,
    ) -> None:
        """Take the input of a person: it begins a turn, or adds to one that nobody worked in yet.

        Args:
            parts: What was said; nothing is passed over.
            turn_id: As the source has it; that of the running turn adds to it.
            message_id: The same.
            source: Who asked.
            meta: What else is known.
        """
        if not parts:
            return
        running = self._turn
        same = running is not None and (
            turn_id == running.turn_id if turn_id is not None else not running.is_worked_in
        )
        if same:
            self.message("user", parts, message_id=message_id)
            return
        self.tally.messages += 1
        self.infer_end()
        self._start(turn_id, message_id, tuple(parts), source, meta)

    def begin(self, turn_id: str | None, source: TurnSource = "user") -> None:
        """Begin a turn whose input is not known.

        Args:
            turn_id: As the source has it.
            source: Who asked.
        """
        self.infer_end()
        self._start(turn_id, None, ({"type": "text", "text": ""},), source, INFERRED)

    def _start(
        self,
        turn_id: str | None,
        message_id: str | None,
        parts: tuple[Part, ...],
        source: TurnSource,
        meta: JsonObject | None,
    ) -> None:
        wanted = None if turn_id is None else name_of(turn_id, "turn")
        named = self.names.turn(wanted or f"{self.made}turn-{self.names.turns + 1}")
        message = self.names.message(id_of(message_id) or f"input-{named}")
        self._turn = RunningTurn(named)
        self.add(
            TurnStarted(turn_id=named, source=source, message_id=message, parts=parts, meta=meta),
            named,
        )

    def infer_end(self) -> None:
        """End the running turn as what was found in it suggests."""
        turn = self._turn
        if turn is None:
            return
        self.tally.notes["inferred_end"] += 1
        if turn.ends_in_text and not self._open_here():
            self.complete("inferred")
        else:
            summary = "the source does not say how this turn ended, and the next one began"
            self.fail(Failure(kind="interrupted", summary=summary))

    def complete(self, stop_reason: str, usage: Usage | None = None) -> None:
        """End the running turn: the agent finished."""
        if (turn_id := self._end()) is not None:
            reason = name_of(stop_reason, "unknown")
            self.add(TurnCompleted(turn_id=turn_id, stop_reason=reason, usage=usage), turn_id)

    def fail(self, failure: Failure) -> None:
        """End the running turn: it broke."""
        if (turn_id := self._end()) is not None:
            self.add(TurnFailed(turn_id=turn_id, failure=failure), turn_id)

    def cancel(self, reason: str) -> None:
        """End the running turn: somebody cancelled it."""
        if (turn_id := self._end()) is not None:
            self.add(TurnCancelled(turn_id=turn_id, reason=name_of(reason, "cancelled")), turn_id)

    def _end(self) -> str | None:
        turn = self._turn
        if turn is None:
            return None
        # No call outlives its turn: its result, should it come after all, is a late one.
        for call in self._open_here():
            self.tally.notes["abandoned_call"] += 1
            closed = ToolReturned(tool_call_id=call, status="abandoned", meta=INFERRED)
            self.add(closed, turn.turn_id)
        self._turn = None
        return turn.turn_id

    def _open_here(self) -> list[str]:
        turn = self._turn
        if turn is None:
            return []
        return [call for call, opened in self._open.items() if opened.turn_id == turn.turn_id]

    def message(
        self,
        role: Role,
        parts: Sequence[Part],
        *,
        message_id: str | None = None,
        author: str | None = None,
        implicit: bool = False,
    ) -> None:
        """Add a message outside of what an agent says in a turn."""
        if not parts:
            return
        self.tally.messages += 1
        wanted = id_of(message_id) or f"{self.made}message-{self.sequence}"
        named = self.names.message(wanted)
        writer = None if author is None else name_of(author, role)
        self.add(
            MessageAdded(
                message_id=named, role=role, parts=tuple(parts), author=writer, implicit=implicit
            )
        )
