"""Cairn's own records as rows: in the tables of the analyser, and with their faults."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

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
from domain.values import Failure

_ROLES: Mapping[str, Role] = {
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


_CLOSELY = ERASING | _STATES.keys()
"""Types of which more is asked than a glance shows."""
_ROW: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, Row)  # pyright: ignore[reportUnknownMemberType]


class CairnRows:
    """Reads records of one log, in the order in which they come.

    Args:
        session_id: Whose log.
        read: Reads a JSON text, or raises `Unreadable`.
        glance: Reads, quickly, a record that is as its type has it, or returns None: then it is
            looked at closely. None looks at all of them closely.
    """

    quiet_gates = True

    def __init__(
        self,
        session_id: str,
        read: Callable[[bytes], Any] = decoded,
        glance: Callable[[str, bytes], Glance | None] | None = None,
    ) -> None:
        self._session_id = session_id
        self._read = read
        self._glance = glance
        self._moment = ""
        self._turn_said: str | None = None
        self._turn_id: str | None = None
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

    def placed(self, placed: Placed) -> Row:
        """Return an event as it lies in the store as a row.

        Args:
            placed: What is stored of it.
        """
        sequence, position, type_, record, digest, erased_hash = placed
        if erased_hash is None and self._glance is not None and type_ not in _CLOSELY:
            seen = self._glance(type_, record)
            # Events of one append have the same time.
            if seen is not None and (seen.at == self._moment or is_moment(seen.at)):
                self._moment = seen.at
                return self._seen(sequence, type_, seen, position, record, digest)
        return self.row(
            sequence, type_, record, position=position, digest=digest, erased_hash=erased_hash
        )

    def _seen(
        self, sequence: int, name: str, seen: Glance, position: int, record: bytes, digest: bytes
    ) -> Row:
        role, call, tool = _ROLES.get(name) or _role(name), "", ""
        if role in ("call", "result"):
            call, tool = text_of(seen.tool_call_id) or "", text_of(seen.tool_name) or ""
        if seen.turn_id != self._turn_said:
            # Events of one turn follow each other.
            self._turn_said, self._turn_id = seen.turn_id, text_of(seen.turn_id)
        event_id = text_of(seen.event_id)
        return _ROW(
            (
                sequence,
                event_id,
                self._turn_id,
                role,
                call,
                tool,
                (),
                position,
                record,
                digest,
                None,
            )
        )

    def row(
        self,
        sequence: int | None,
        type_: str,
        record: bytes,
        *,
        position: int | None = None,
        digest: bytes | None = None,
        erased_hash: bytes | None = None,
    ) -> Row:
        """Return a stored event as a row.

        Args:
            sequence: As it is stored.
            type_: The type beside the record.
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
        if type_ and name != type_:
            problems.append(("event_type_mismatch", f"the row says {type_}, the record {name}"))
        self._explained.take(sequence or 0, type_ or name, erased=False)
        event_id, turn_id = text_of(value.get("id")), text_of(value.get("turn_id"))
        data, role, call, tool = value["data"], _role(type_ or name), "", ""
        if known and role in ("call", "result"):
            call, tool = text_of(data.get("tool_call_id")) or "", text_of(data.get("name")) or ""
        if known and name in _STATES:
            self._follow(name, data)
        return Row(
            sequence, event_id, turn_id, role, call, tool, problems, position, record, digest
        )

    def _erased(
        self,
        sequence: int | None,
        type_: str,
        record: bytes,
        position: int | None,
        digest: bytes | None,
        hashed: bytes,
    ) -> Row:
        self._explained.take(sequence or 0, type_, erased=True)
        left = erased_record(record)
        named = type_ or (left.type if left else "")
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
    role = _ROLES.get(name)
    if role is not None:
        return role
    return "outside" if name.startswith("session.") else "passive"
