"""What a client keeps of messages that are being written: the rule that makes it exact."""

from collections.abc import Mapping
from typing import Any


class Gap(Exception):
    """Something before a piece is missing: ask for a snapshot, or for the stream again."""


class Written:
    """The text of each message that is being written."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str, str], str] = {}

    def take(self, piece: Mapping[str, Any]) -> str:
        """Return what a piece adds to what is there, without what came before.

        Args:
            piece: A `partial` of a stream, or of a snapshot.

        Raises:
            Gap: It does not follow what is there.
        """
        key = (piece["type"], piece["message_id"], piece["kind"])
        mine = self._texts.get(key, "")
        if piece["offset"] > len(mine):
            raise Gap
        new: str = piece["text"][len(mine) - piece["offset"] :]
        self._texts[key] = mine + new
        return new

    def end(self, record: Mapping[str, Any]) -> None:
        """Forget what an event has recorded: its message, or all of its turn when that has ended.

        Args:
            record: Of the log.
        """
        if record["type"] in ("turn.completed", "turn.failed", "turn.cancelled"):
            self._texts.clear()
            return
        data: Mapping[str, Any] = record.get("data") or {}
        named = data.get("message_id") or data.get("tool_call_id") or record.get("turn_id")
        for key in [key for key in self._texts if key[:2] == (record["type"], named)]:
            del self._texts[key]
