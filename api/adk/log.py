"""From the log of a session to the events of google-adk that it holds.

What came in by this door is answered as it was kept, byte for byte. What others have recorded, such
as a runtime by the native door, is told in the words of google-adk.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, NamedTuple

import msgspec

from api.adk.native_events import SHOWN, adk_event_of, closing_of, whole_event
from api.http.outgoing.responses import from_json, to_json
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from domain.session.events import (
    ConversationCleared,
    ConversationRewound,
    Recorded,
    ToolReturned,
    TurnFailed,
)

KIND = "adk.event"
"""The kind of the events that keep what google-adk has written, and the name in a turn's `meta`."""

_RUNTIME, _STARTED = "runtime.event", "turn.started"
_BY_RECOVERY = b'"origin":"recovery"'
"""Whoever ran the agent is gone, and has told nothing of it."""
_BACK = ("conversation.cleared", "conversation.rewound")


class _Kept(msgspec.Struct):
    covers: int = 0
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Runtime(msgspec.Struct):
    kind: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _RuntimeRecord(msgspec.Struct):
    data: _Runtime
    turn_id: str | None = None


class _Started(msgspec.Struct):
    meta: dict[str, msgspec.Raw] | None = None


class _StartedRecord(msgspec.Struct):
    data: _Started
    turn_id: str | None = None


class _Glance(msgspec.Struct):
    timestamp: float | None = None
    invocationId: str = ""  # noqa: N815 - the name on the wire
    author: str = ""


_runtime = msgspec.json.Decoder(_RuntimeRecord).decode
_kept = msgspec.json.Decoder(_Kept).decode
_started = msgspec.json.Decoder(_StartedRecord).decode
_glance = msgspec.json.Decoder(_Glance).decode


class Item(NamedTuple):
    """An event of google-adk in a log.

    Args:
        sequence: Of the event that holds it.
        first: Of the first event that came with it.
        turn_id: The turn in which it was recorded.
        json: The event.
    """

    sequence: int
    first: int
    turn_id: str | None
    json: bytes

    @property
    def glance(self) -> _Glance:
        """What must be known of it to choose it."""
        return _glance(self.json)


class _Asked(NamedTuple):
    call: dict[str, Any]
    author: str


class _OpenCalls:
    """The calls among events of google-adk that nothing has answered, each event read once."""

    def __init__(self) -> None:
        self.by_id: dict[str, _Asked] = {}
        self._seen = 0

    def look_at(self, found: Sequence[Item]) -> None:
        """Look at what is new.

        Args:
            found: All events, those before the last look included.
        """
        for at in range(self._seen, len(found)):
            event: dict[str, Any] = from_json(found[at].json)
            content: dict[str, Any] = event.get("content") or {}
            for part in content.get("parts") or ():
                answer: dict[str, Any] = part.get("functionResponse") or {}
                self.by_id.pop(answer.get("id", ""), None)
                call: dict[str, Any] = part.get("functionCall") or {}
                if call.get("id"):
                    self.by_id[call["id"]] = _Asked(call, event["author"])
        self._seen = len(found)


class Unfolding:
    """Goes through a log, or a part of it that begins with an event that nothing covers.

    Args:
        codec: Reads what others have recorded.
        found: Where events are put as they are found, behind all that came before this log; None
            for one who does not know those: what goes back to some of them does not name them.
    """

    def __init__(self, codec: Codec, found: MutableSequence[Item] | None = None) -> None:
        self._codec = codec
        self._found = found
        self.is_sure = True
        """Whether nothing that came before what is known would tell more."""
        self._own = 0 if found is None else len(found)
        """Where those of this log begin."""
        self._covered = 0
        self._lead: tuple[int, int] = (0, 0)
        """Where events without a record of their own begin, and what comes behind them."""
        self._names: dict[str, str] = {}
        self._open = _OpenCalls()
        self._turn: str | None = None
        """The newest turn that google-adk was asked for: its own events tell how it failed."""

    def items(self, events: Iterable[StoredEvent]) -> list[Item]:
        """Return the events of google-adk among the next events of the log.

        Args:
            events: In order, without a gap.
        """
        new: list[Item] = []
        for stored in events:
            if self._covered:
                self._covered -= 1
                continue
            item = self._item(stored)
            if item is not None:
                new.append(item)
                if self._found is not None:
                    self._found.append(item)
        return new

    def _item(self, stored: StoredEvent) -> Item | None:
        if stored.type == _RUNTIME:
            record = _runtime(stored.record)
            if record.data.kind != KIND:
                return None
            kept = _kept(record.data.data)
            self._covered = kept.covers
            if isinstance(kept.event, msgspec.UnsetType):
                self._lead = (stored.sequence, stored.sequence + kept.covers + 1)
                return None
            return Item(stored.sequence, stored.sequence, record.turn_id, bytes(kept.event))
        if stored.type == _STARTED:
            begun = _started(stored.record)
            raw = (begun.data.meta or {}).get(KIND)
            if raw is not None:
                said, at = bytes(raw), stored.sequence
                self._turn = begun.turn_id
                first = self._lead[0] if self._lead[1] == at else at
                return None if said == b"null" else Item(at, first, begun.turn_id, said)
        if stored.type not in SHOWN:
            return None
        if stored.type in _BACK and self._found is None:
            self.is_sure = False
        recorded = self._codec.decode(stored)
        if self._is_told(stored, recorded):
            return self._closing(stored, recorded)
        document = adk_event_of(stored, recorded, self._names, self._back_to(recorded))
        if document is None:
            return None
        return Item(stored.sequence, stored.sequence, recorded.turn_id, to_json(document))

    def _back_to(self, recorded: Recorded) -> str | None:
        """Return the first invocation that a going back takes away; None when there is none."""
        match recorded.event:
            case ConversationCleared():
                own, to = 0, -1
            case ConversationRewound(to=to):
                own = self._own
            case _:
                return None
        gone = (one for one in (self._found or ())[own:] if one.sequence > to)
        return next(filter(None, (one.glance.invocationId for one in gone)), None)

    def _closing(self, stored: StoredEvent, recorded: Recorded) -> Item | None:
        """Return what closes a call that nothing answered when its agent was gone or stopped.

        An agent that goes on from an open call is refused by its model. Of a failure that
        google-adk has recorded itself, it leaves the call as it is.
        """
        match recorded.event:
            case ToolReturned(status="cancelled" as status, tool_call_id=call_id):
                pass
            case ToolReturned(status="failed" as status, tool_call_id=call_id) if (
                _BY_RECOVERY in stored.record
            ):
                pass
            case _:
                return None
        if self._found is None:
            self.is_sure = False
            return None
        self._open.look_at(self._found)
        asked = self._open.by_id.get(call_id)
        if asked is None:
            return None
        document = whole_event(stored, recorded, closing_of(asked.call, asked.author, status))
        at = stored.sequence
        return Item(at, at, recorded.turn_id, to_json(document))

    def _is_told(self, stored: StoredEvent, recorded: Recorded) -> bool:
        """Return whether an event only closes what google-adk has recorded itself."""
        match recorded.event:
            case TurnFailed():
                return recorded.turn_id == self._turn and _BY_RECOVERY not in stored.record
            case ToolReturned(output=None, tool_call_id=call):
                return call not in self._names
            case _:
                return False


def starts_whole(events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
    """Return a part of a log from where it is known that nothing before it covers its events.

    Args:
        events: The end of a log, or all of it.
    """
    if not events or events[0].sequence == 1:
        return events
    for index, stored in enumerate(events):
        if stored.type == _RUNTIME and _runtime(stored.record).data.kind == KIND:
            return events[index:]
        if stored.type == _STARTED:
            return events[index:]
    return ()


def chosen(items: Sequence[Item], last: int | None, after: float | None) -> Sequence[Item]:
    """Return the items that are asked for, in order.

    Args:
        items: All of them.
        last: How many at most, of the newest; None is all.
        after: Only those of this time or later, seconds since 1970.
    """
    if after is not None:
        items = [one for one in items if (one.glance.timestamp or 0.0) >= after]
    return items if last is None else items[len(items) - min(last, len(items)) :]
