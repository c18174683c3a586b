"""Cairn's own records as rows: in the tables of the analyser, and with their faults."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from domain.log.catalogue import NAMES
from domain.log.erased_records import ERASING, Explained, erased_record, fault_of
from domain.repair.integrity import Placed
from domain.repair.record_shape import Glance, checked
from domain.repair.report import Action, PlannedEvent
from domain.repair.rows import (
    INTERRUPTED,
    Role,
    Row,
    Standing,
    Unreadable,
    decoded,
    failure_of,
    is_moment,
    object_of,
    text_of,
)
from domain.repair.turns import Turns
from domain.values import Failure

_NAMED_ROLES: Mapping[str, Role] = {
    "turn.started": "input",
    "agent.message": "data",
    "agent.thought": "data",
    "agent.switched": "data",
    "plan.updated": "data",
    "permission.requested": "data",
    "permission.decided": "data",
    "elicitation.requested": "data",
    "elicitation.answered": "data",
    "runtime.notice": "data",
    "tool.progressed": "data",
    "tool.called": "call",
    "tool.returned": "result",
    "turn.completed": "terminal",
    "turn.failed": "terminal",
    "turn.cancelled": "terminal",
}
_STATES: Mapping[str, str] = {
    "session.created": "active",
    "session.activated": "active",
    "session.resumed": "active",
    "session.stopping": "stopping",
    "session.stopped": "stopped",
    "session.start_failed": "stopped",
    "session.deleted": "deleted",
    "session.erased": "erased",
}


_OF_CALLS = ("call", "result")
_CLOSELY = ERASING | _STATES.keys()
"""Types of which more is asked than a glance shows."""
_EPOCH = "1970-01-01T00:00:00Z"
_MINUTE = len("2026-01-31T12:00")
_rest_of_moment = re.compile(r":[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch


Glances = Callable[[Sequence[Placed]], Iterable[Glance | None]]


class CairnRows:
    """Reads records of one log, in the order in which they come.

    Args:
        session_id: Whose log.
        read: Reads a JSON text, or raises `Unreadable`.
        glances: Gives for each row, quickly, what its record says, if that is as its type has it;
            None for a record that was erased and for any other. Without it all are looked at
            closely.
    """

    quiet_gates = True

    def __init__(
        self,
        session_id: str,
        read: Callable[[bytes], Any] = decoded,
        glances: Glances | None = None,
    ) -> None:
        self._session_id = session_id
        self._read = read
        self._glances = glances
        self._state = self._reason = ""
        self._failure: Failure | None = None
        self._explained = Explained()

    @property
    def unexplained(self) -> list[tuple[str, str]]:
        """What is wrong when an event is erased, and none after it says so."""
        missing = self._explained.missing
        if missing is None:
            return []
        return [("erasure_unexplained", f"event {missing} is erased, and nothing says why")]

    @property
    def standing(self) -> Standing:
        """Where the session stands after the records so far."""
        return Standing(self._session_id, self._state, self._reason, self._failure)

    def unclear(
        self,
        rows: Sequence[Placed],
        turns: Turns,
        glances: Iterable[Glance | None] | None = None,
    ) -> Iterator[Row]:
        """Let turns follow rows, and give those that a glance does not make clear.

        Args:
            rows: As they lie in the store, each in its place.
            turns: Follow the others.
            glances: For each row what its record says, if that was read already.
        """
        if glances is None and self._glances is not None:
            glances = self._glances(rows)
        if glances is None:
            yield from map(self.closely, rows)
            return
        roles, moment, said, turn = _ROLES, _EPOCH, None, None
        for placed, seen in zip(rows, glances, strict=True):
            type_ = placed[2]
            if seen is None or type_ in _CLOSELY:
                yield self.closely(placed)
                continue
            at = seen.at
            if at != moment:
                # Most events are of the same minute as the one before them.
                is_like = at[:_MINUTE] == moment[:_MINUTE] and _rest_of_moment(at, _MINUTE)
                if not is_like and not is_moment(at):
                    yield self.closely(placed)
                    continue
                moment = at
            turn_id, role, call, tool = seen.turn_id, roles[type_], "", ""
            if role in _OF_CALLS:
                data = seen.data
                call, tool = text_of(data.tool_call_id) or "", text_of(data.name) or ""
                if role == "call" and not call:
                    yield self.closely(placed)
                    continue
            if turn_id is None:
                continue
            if turn_id != said:
                # Events of one turn follow each other.
                said, turn = turn_id, text_of(turn_id)
            if turn is not None:
                turns.take(turn, role, call, tool)

    def closely(self, placed: Placed) -> Row:
        """Return an event as it lies in the store as a row.

        Args:
            placed: What is stored of it.
        """
        sequence, position, type_, record, digest, erased_hash = placed
        return self.row(
            sequence, type_, record, position=position, digest=digest, erased_hash=erased_hash
        )

    def row(
        self,
        sequence: int | None,
        type_: str | None,
        record: bytes,
        *,
        position: int | None = None,
        digest: bytes | None = None,
        erased_hash: bytes | None = None,
    ) -> Row:
        """Return a stored event as a row.

        Args:
            sequence: As it is stored.
            type_: The type beside the record; None where the source has none.
            record: The stored bytes.
            position: As it is stored.
            digest: As it is stored.
            erased_hash: Of a record that was erased; its place and its time are all that is left.
        """
        if erased_hash is not None:
            return self._erased(sequence, type_, record, position, digest, erased_hash)
        problems: list[tuple[str, str]] = []
        try:
            value = object_of(self._read(record))
            if value is None:
                raise Unreadable("it is no object")
            known = checked(value, problems)
        except Unreadable as error:
            return Row(
                sequence,
                problems=[("invalid_event_json", str(error))],
                position=position,
                record=record,
                digest=digest,
            )
        name: str = value["type"]
        if type_ is not None and name != type_:
            said = type_ or "nothing"
            problems.append(("event_type_mismatch", f"the row says {said}, the record {name}"))
        told = name if type_ is None else type_
        self._explained.take(sequence or 0, told, erased=False)
        event_id, turn_id = text_of(value.get("id")), text_of(value.get("turn_id"))
        data, role, call, tool = value["data"], _role(told), "", ""
        if known and role in _OF_CALLS:
            call, tool = text_of(data.get("tool_call_id")) or "", text_of(data.get("name")) or ""
        if known and name in _STATES:
            self._follow(name, data)
        return Row(
            sequence, event_id, turn_id, role, call, tool, problems, position, record, digest
        )

    def _erased(
        self,
        sequence: int | None,
        type_: str | None,
        record: bytes,
        position: int | None,
        digest: bytes | None,
        hashed: bytes,
    ) -> Row:
        left = erased_record(record)
        named = type_
        if named is None:
            named = left.type if left else ""
        self._explained.take(sequence or 0, named, erased=True)
        fault = fault_of(record, named, hashed)
        return Row(
            sequence,
            problems=[] if fault is None else [("digest_mismatch", fault)],
            position=position,
            record=record,
            digest=digest,
            hashed=hashed,
        )

    def _follow(self, name: str, data: Mapping[str, Any]) -> None:
        self._state = "starting" if data.get("starting") is True else _STATES[name]
        self._reason, self._failure = "", None
        if name == "session.stopped":
            self._reason = text_of(data.get("reason")) or ""
            self._failure = failure_of(data.get("failure"))
        elif name == "session.start_failed":
            self._reason, self._failure = "error", failure_of(data.get("failure"))

    def planned(self, action: Action, standing: Standing) -> PlannedEvent:
        """Return the event that an action appends."""
        if action.code == "append_interrupted_tool_result":
            return PlannedEvent(
                "tool.returned",
                action.turn_id,
                {
                    "tool_call_id": action.tool_call_id,
                    "status": "failed",
                    "output": {"error": INTERRUPTED},
                },
            )
        failure = standing.failure or Failure(kind=_kind_of(standing.stop_reason))
        told: dict[str, Any] = {"kind": failure.kind, "summary": failure.summary or INTERRUPTED}
        if failure.bundle:
            told["bundle"] = failure.bundle
        return PlannedEvent(
            "turn.failed", action.turn_id, {"turn_id": action.turn_id, "failure": told}
        )


def _kind_of(stop_reason: str) -> str:
    return "process_exit" if stop_reason == "agent_crashed" else "unknown_failure"


def _role(name: str) -> Role:
    role = _NAMED_ROLES.get(name)
    if role is not None:
        return role
    return "outside" if name.startswith("session.") else "passive"


_ROLES: Mapping[str, Role] = {name: _role(name) for name, _ in NAMES.values()}
"""Those of the types that this program knows, and reads at a glance."""
