"""Results that came as parts of messages, and the calls that they are of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.session.content.transcript_entries import Entries, Entry
from domain.values import Part


@dataclass(slots=True)
class PartResults:
    """Puts results that messages hold into the newest call with their id, if that has none."""

    _newest: dict[str, int] = field(default_factory=dict[str, int])
    _early: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    """What was said of calls that are open still: it counts when they end without a result."""

    def clear(self) -> None:
        """Begin anew."""
        self._newest.clear()
        self._early.clear()

    def called(self, tool_call_id: str, index: int) -> None:
        """Take in a call.

        Args:
            tool_call_id: Its id, which an earlier one may have had.
            index: Of its entry.
        """
        self._newest[tool_call_id] = index

    def join(self, entries: Entries, said: Entry, parts: Sequence[Part]) -> Iterator[int]:
        """Put the results among some parts into their calls.

        Args:
            entries: Those so far.
            said: The entry of the message that has the parts.
            parts: What was said just now.

        Yields:
            The indices of the entries that are different now.
        """
        for part in parts:
            if part.get("type") != "tool_result":
                continue
            index = self._newest.get(str(part.get("tool_call_id")))
            if index is None:
                continue
            call = entries[index]
            if call["status"] == "open":
                self._early.setdefault(index, _result(part, said, call))
            elif "output" not in call:
                entries[index] = {**call, **_result(part, said, call)}
                yield index

    def ended(self, index: int, news: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a call's end leaves in its entry, be its result in a message.

        Args:
            index: Of the entry of the call.
            news: What the end itself says: `status`, and `output` if there is one.
        """
        early = self._early.pop(index, {})
        if news.get("output") is not None:
            return dict(news)
        if news.get("status") != "abandoned":
            # Whoever ended it knows how; the message only knows with what.
            early.pop("status", None)
        return {**news, **early}


def _result(part: Part, said: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result adds to the entry of its call; it is late when it is of another turn."""
    result = {
        "status": "failed" if part.get("is_error") else "completed",
        "output": part.get("output"),
        "returned_at_sequence": said.get("ends_at_sequence", said["sequence"]),
        "returned_in_message": said["id"],
    }
    turn_id = said.get("turn_id")
    if turn_id != call.get("turn_id"):
        result["late"] = True
        if turn_id is not None:
            result["returned_in_turn"] = turn_id
    return result | {"result_meta": part["meta"]} if part.get("meta") else result
