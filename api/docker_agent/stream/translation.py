"""Goes through a log and says each event in the words of docker-agent, as frames of a stream."""

from datetime import datetime
from typing import Any
from uuid import UUID

from api.docker_agent.shapes.messages import call_document
from api.docker_agent.stream.session_words import EXITED
from api.docker_agent.stream.vocabulary import words_for
from api.http.outgoing.responses import to_json
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.session.partials import Piece
from application.reads.streams.stream_items import PartialText
from domain.session.evolve import evolve
from domain.session.state import Session
from domain.values import rfc3339

PING = b": ping\n\n"
GAP = b'data: {"type":"gap"}\n\n'
_CHOICES = {"agent.message": "agent_choice", "agent.thought": "agent_choice_reasoning"}


class Translation:
    """Says events, one after the other.

    A message may be told twice, while it is written and when it is recorded: whoever has heard its
    beginning is then told only what was missing.

    Args:
        codec: Reads what was stored.
        session_id: Of which session.
        state: Of the session before the first event.
    """

    def __init__(self, codec: Codec, session_id: UUID, state: Session) -> None:
        self._codec = codec
        self._session_id = session_id
        self._told: dict[tuple[str, str], str] = {}
        self.at: datetime | None = None
        """When the last event was."""
        self.state = state

    def exited(self) -> bytes:
        """Return the frame that says that nothing follows."""
        return frame_of(self.state.sequence, {**EXITED})

    def aside(self, word: dict[str, Any]) -> bytes:
        """Return what is no event of the log as a frame, which is told to nobody again.

        Args:
            word: What it says.
        """
        return frame_of(None, self._dated(word))

    def words(self, stored: StoredEvent) -> list[dict[str, Any]]:
        """Return what docker-agent says for the next event.

        Args:
            stored: The event after the last one.
        """
        recorded, before = self._codec.decode(stored), self.state
        self.state = evolve(before, recorded)
        self.at = recorded.at
        told = words_for(self._session_id, before, recorded.event, self.state)
        return [self._dated(one) for one in told]

    def frame(self, stored: StoredEvent, word: dict[str, Any]) -> bytes:
        """Return something else that the last event says as its frame.

        Args:
            stored: The event.
            word: What it says.
        """
        return frame_of(stored.sequence, self._dated(word))

    def _dated(self, word: dict[str, Any]) -> dict[str, Any]:
        agent = self.state.description.agent
        name = {} if agent is None else {"agent_name": agent.name}
        at = self.at or self.state.last_activity_at
        time = {} if at is None else {"timestamp": rfc3339(at)}
        return {"type": word["type"], **name, **time, **word}

    def frames(self, stored: StoredEvent) -> bytes:
        """Return the next event as frames; the last of them carries its sequence.

        Args:
            stored: The event after the last one.
        """
        told = self.words(stored)
        words = [one for one in told if not self._is_known(one, stored)]
        if not told:
            return b""
        # Where all is known, the rest of it is empty: whoever comes back goes on after it.
        *first, last = words or told
        return b"".join(frame_of(None, one) for one in first) + frame_of(stored.sequence, last)

    def partial(self, item: PartialText) -> bytes:
        """Return more of a message that is being written as a frame.

        Args:
            item: What there is more of it.
        """
        piece = item.piece
        kind = _CHOICES.get(piece.key.type)
        if kind is None:
            call = call_document(piece.key.message_id, piece.name or "", piece.text)
            return self.aside({"type": "partial_tool_call", "tool_call": call})
        text = self._news_in(piece, kind)
        if not text:
            return b""
        return self.aside({"type": kind, "content": text, "session_id": str(self._session_id)})

    def _news_in(self, piece: Piece, kind: str) -> str:
        key = (kind, piece.key.message_id)
        before = self._told.get(key, "")
        if piece.offset > len(before):
            return ""
        text = piece.text[len(before) - piece.offset :]
        self._told[key] = before + text
        return text

    def _is_known(self, word: dict[str, Any], stored: StoredEvent) -> bool:
        """Return whether all of a message was told while it was written; cut it to what was not."""
        if not self._told or word["type"] not in _CHOICES.values():
            return False
        record: dict[str, Any] = self._codec.from_json(stored.record)
        named = record["data"].get("message_id") or record.get("turn_id")
        told = self._told.pop((word["type"], str(named)), "")
        if told and word["content"].startswith(told):
            word["content"] = word["content"][len(told) :]
        return not word["content"]


def frame_of(sequence: int | None, word: dict[str, Any]) -> bytes:
    """Return an event as a frame.

    Args:
        sequence: By which a reader goes on after it; None is that of a frame to come.
        word: The event.
    """
    head = b"" if sequence is None else b"id: %d\n" % sequence
    return head + b"data: %s\n\n" % to_json(word)
