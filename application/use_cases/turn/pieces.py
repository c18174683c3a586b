"""Pieces of messages that are being written: placed, shown to those who follow, and kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.errors import (
    Busy,
    OutcomeUnknown,
    PartialTooLarge,
    PieceMisplaced,
    StoreUnavailable,
)
from application.fan_out import FanOut
from application.partials.partial import Mark, Partial
from application.partials.reader import PartialReader
from application.partials.session_partials import SessionPartials
from application.partials.writer import PartialWriter
from application.ports.log.announcer import Announcer
from application.ports.session.partials import KeptPiece, Key, Kind
from domain.checks import About
from domain.errors import Invalid, LimitReached
from domain.session.commands import RecordActivity
from domain.session.decide import decide
from domain.session.events import ActivityEvent, AgentMessage, AgentThought, ToolCalled

_MESSAGES = 100
_BESIDE = 8 * 1024
"""Bytes that a record may have beside what was written: its ids, who and when."""
_PATIENCE = 0.3
_LOOK_EVERY = 0.03


@dataclass(frozen=True, slots=True)
class SentPiece:
    """What an agent has just written of an event that is still to be recorded.

    Args:
        type: The stored name of the event.
        event: The event as if this were all of it.
        text: What was written; it may begin and end with half of a surrogate pair.
        offset: How many code points of the message are before it; None lets the server count.
        index: How many pieces are before it; None does not say.
    """

    type: str
    event: ActivityEvent
    text: str
    offset: int | None = None
    index: int | None = None


class Taken(NamedTuple):
    """What has become of pieces.

    Args:
        sequence: Of the session.
        next: For each message where it goes on.
    """

    sequence: int
    next: list[dict[str, Any]]


class Pieces:
    """Takes pieces.

    Pieces that say their offset may come through any process and come again. Those that do not are
    counted by the process that has the whole message, and answered when the first of it is kept.

    Args:
        repository: Loads the states of sessions.
        reader: Reads those that are kept.
        writer: Keeps them.
        announcer: Tells other processes.
        fan_out: Who follows here.
        largest: The most bytes of a record; a message has a little less.
    """

    def __init__(
        self,
        repository: SessionRepository,
        reader: PartialReader,
        writer: PartialWriter,
        announcer: Announcer,
        fan_out: FanOut,
        *,
        largest: int,
    ) -> None:
        self._repository = repository
        self._reader = reader
        self._writer = writer
        self._announcer = announcer
        self._fan_out = fan_out
        self._largest = max(largest - _BESIDE, largest // 2)

    async def take(self, session_id: UUID, turn_id: str, pieces: Sequence[SentPiece]) -> Taken:
        """Take pieces of the running turn, all or none.

        Args:
            session_id: Of which session.
            turn_id: Of which turn.
            pieces: In their order.

        Raises:
            PieceMisplaced: One does not follow what there is of its message.
            PartialTooLarge: The message would be larger than can be recorded.
            CairnError: Whatever recording them would be refused for.
        """
        with self._fan_out.partials.used(session_id) as session:
            keys = [_key(one, turn_id) for one in pieces]
            sequence = await self._bring_up_to_date(session, turn_id, keys, pieces)
            begun = await self._place(session, turn_id, sequence, keys, pieces)
            taken = Taken(sequence, _next(session, keys))
        if begun:
            try:
                await self._writer.kept()
            except StoreUnavailable as error:
                raise OutcomeUnknown from error
        return taken

    async def _bring_up_to_date(
        self,
        session: SessionPartials,
        turn_id: str,
        keys: Sequence[Key],
        pieces: Sequence[SentPiece],
    ) -> int:
        """Return the sequence of the session, with all that is being written known."""
        others = self._announcer.others
        loaded = None if others else self._repository.cached(session.session_id)
        loaded = loaded or await self._repository.load(session.session_id)
        sequence = loaded.session.sequence
        for index, (key, one) in enumerate(zip(keys, pieces, strict=True)):
            # Of what goes on only the text is used: it may as long as the state is the same.
            if not session.allows(key, turn_id, sequence):
                with About(index):
                    decide(loaded.session, RecordActivity(turn_id=turn_id, events=(one.event,)))
        known = session.joined and session.checked >= sequence and session.turn_id == turn_id
        # Another process may have begun a message a moment ago.
        if not known or (others and not all(key in session.messages for key in keys)):
            await self._reader.refresh(session, sequence)
        if session.checked <= sequence:
            session.run(turn_id)
        return sequence

    async def _place(
        self,
        session: SessionPartials,
        turn_id: str,
        sequence: int,
        keys: Sequence[Key],
        pieces: Sequence[SentPiece],
    ) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (_PATIENCE if self._announcer.others else 0)
        while True:
            try:
                return self._take(session, turn_id, sequence, keys, pieces)
            except PieceMisplaced as misplaced:
                # What is before it may be on its way from another process.
                if not misplaced.facts["ahead"] or loop.time() >= deadline:
                    raise
            await asyncio.sleep(_LOOK_EVERY)
            await self._reader.refresh(session, sequence)

    def _take(
        self,
        session: SessionPartials,
        turn_id: str,
        sequence: int,
        keys: Sequence[Key],
        pieces: Sequence[SentPiece],
    ) -> bool:
        """Place pieces, and return whether one that says no offset begins a message."""
        before: dict[Key, tuple[Mark, str]] = {}
        begun = False
        try:
            for index, (key, sent) in enumerate(zip(keys, pieces, strict=True)):
                with About(index):
                    partial = session.messages.get(key)
                    if partial is None:
                        partial = self._begin(session, key, sequence, sent)
                        begun = begun or sent.offset is None
                    elif sent.offset is None and not partial.own:
                        detail = "another process has what is before it; say its offset"
                        raise partial.misplaced(detail)
                    before.setdefault(key, (partial.mark, partial.half))
                    added = partial.fresh(sent.text, sent.offset, sent.index)
                    if added is not None:
                        partial.append(*added)
                        self._require_fit(partial)
                    partial.allowed_at = sequence
            if not self._fan_out.partials.has_room(sum(len(sent.text) for sent in pieces)):
                raise Busy("too much is being written at once; try again in a moment")
        except Exception:
            for key, (mark, half) in before.items():
                session.messages[key].reset(mark, half)
                if not mark.count:
                    del session.messages[key]
            raise
        self._show(session, turn_id, before)
        return begun

    def _begin(self, session: SessionPartials, key: Key, sequence: int, sent: SentPiece) -> Partial:
        name = sent.event.name if isinstance(sent.event, ToolCalled) else None
        partial = Partial(key, sequence, name, own=True)
        if sent.offset or sent.index:
            raise partial.misplaced(ahead=True)
        if len(session.messages) >= _MESSAGES:
            raise LimitReached(f"{_MESSAGES} messages are being written at once", limit=_MESSAGES)
        session.messages[key] = partial
        return partial

    def _require_fit(self, partial: Partial) -> None:
        if partial.size > self._largest:
            raise PartialTooLarge(
                f"the message would have more than {self._largest} bytes; record it, or end it",
                message_id=partial.key.message_id,
                limit=self._largest,
            )

    def _show(
        self, session: SessionPartials, turn_id: str, before: dict[Key, tuple[Mark, str]]
    ) -> None:
        for key, (mark, _) in before.items():
            partial = session.messages[key]
            if partial.mark != mark:
                kept = KeptPiece(session.session_id, turn_id, partial.after(mark))
                self._announcer.announce_piece(kept)
        self._fan_out.partials.keep(session)
        self._fan_out.written(session.session_id)


def text_of(event: ActivityEvent, field: str) -> str:
    """Return what a piece has of the event that it is part of.

    Args:
        event: The event as if this were all of it.
        field: Where it stands in the request.

    Raises:
        Invalid: It has no text, or more than one.
    """
    match event:
        case AgentMessage(parts=parts) | AgentThought(parts=parts):
            if len(parts) != 1 or parts[0]["type"] not in ("text", "reasoning"):
                where = f"{field}.data.parts"
                raise Invalid(f"{where}: a piece is one part, a text or reasoning", field=where)
            return str(parts[0]["text"])
        case ToolCalled(input=str() as text):
            return text
        case ToolCalled():
            where = f"{field}.data.input"
            raise Invalid(f"{where}: a piece of the input is a string, its JSON", field=where)
        case _:
            where = f"{field}.type"
            what = "agent.message, agent.thought and tool.called"
            raise Invalid(f"{where}: only {what} come in pieces", field=where)


def _key(sent: SentPiece, turn_id: str) -> Key:
    event = sent.event
    if isinstance(event, ToolCalled):
        return Key(sent.type, event.tool_call_id, "tool_input")
    kind: Kind = "reasoning"
    if isinstance(event, AgentMessage) and event.parts[0]["type"] == "text":
        kind = "text"
    named = event.message_id if isinstance(event, AgentMessage | AgentThought) else None
    return Key(sent.type, named or turn_id, kind)


def _next(session: SessionPartials, keys: Sequence[Key]) -> list[dict[str, Any]]:
    ends = ((key, session.messages.get(key)) for key in dict.fromkeys(keys))
    return [
        {**key._asdict(), "index": partial.count, "offset": partial.length}
        for key, partial in ends
        if partial is not None
    ]
