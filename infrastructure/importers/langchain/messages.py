"""Messages of LangChain, which LangGraph keeps in its checkpoints and others dump as JSON."""

from collections.abc import Mapping
from typing import Any

from domain.values import Part, Usage
from infrastructure.importers.drafting.parts import data_part, linked_part, media_part, text_part
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import count_of, list_of, name_of, object_of, text_of

_ROLES = {"user": "human", "assistant": "ai", "developer": "system", "function": "tool"}


def message_of(value: Any) -> Mapping[str, Any]:
    """Return the fields of a message, whichever way it was written.

    Args:
        value: Of `messages_to_dict` or `dumpd`, or the fields themselves.
    """
    told = object_of(value)
    if "kwargs" in told and "lc" in told:
        named = list_of(told.get("id"))
        fields = object_of(told["kwargs"])
        return {**fields, "type": fields.get("type") or (named[-1] if named else "")}
    if "data" in told and "content" not in told:
        return {**object_of(told["data"]), "type": told.get("type")}
    return told


def kind_of(message: Mapping[str, Any]) -> str:
    """Return who a message is of: `human`, `ai`, `tool`, `system`, or what else it says."""
    kind = str(message.get("type") or "").lower()
    kind = kind.removesuffix("chunk").removesuffix("message")
    if kind == "chat":
        kind = str(message.get("role") or kind)
    return _ROLES.get(kind, kind)


class MessageMapper:
    """Maps the messages of one session, one after the other.

    Args:
        drafter: Takes what they become.
    """

    def __init__(self, drafter: SessionDrafter) -> None:
        self._drafter = drafter

    def map(self, message: Mapping[str, Any]) -> None:
        """Map a message.

        Args:
            message: As `message_of` gives it.
        """
        drafter, message_id = self._drafter, text_of(message.get("id"))
        match kind_of(message):
            case "human":
                drafter.ask(parts_of(message.get("content")), message_id=message_id)
            case "ai":
                self._answer(message, message_id)
            case "tool":
                self._returned(message)
            case "system":
                drafter.message(
                    "system",
                    parts_of(message.get("content")),
                    message_id=message_id,
                    implicit=True,
                )
            case other:
                drafter.verbatim(f"message.{name_of(other, 'unknown')}", dict(message))

    def _answer(self, message: Mapping[str, Any], message_id: str | None) -> None:
        drafter = self._drafter
        meta = {
            name: message[name]
            for name in ("response_metadata", "additional_kwargs", "name")
            if message.get(name)
        }
        said: list[Part] = []
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for value in list_of(blocks):
            block = {"type": "text", "text": value} if isinstance(value, str) else object_of(value)
            kind = block.get("type")
            if kind in ("thinking", "reasoning", "redacted_thinking"):
                text = block.get("thinking") or block.get("reasoning") or ""
                signed = {n: block[n] for n in ("signature", "data") if block.get(n)}
                drafter.say(said, message_id=message_id, meta=meta or None)
                said = []
                told = text if isinstance(text, str) else ""
                drafter.think(told, message_id=message_id, meta=signed or None)
            # The calls of a message stand beside its content too.
            elif kind not in ("tool_use", "tool_call", "function_call") and block.get("text") != "":
                said.append(_part(block))
        drafter.say(said, message_id=message_id, meta=meta or None)
        for value in list_of(message.get("tool_calls")):
            call = object_of(value)
            drafter.call(call.get("id"), call.get("name"), call.get("args"), raw=dict(call))
        for value in list_of(message.get("invalid_tool_calls")):
            call = object_of(value)
            drafter.tally.notes["unparsable_arguments"] += 1
            why = {"error": call["error"]} if call.get("error") else None
            drafter.call(
                call.get("id"), call.get("name"), call.get("args"), meta=why, raw=dict(call)
            )
        self._use(object_of(message.get("usage_metadata")))

    def _returned(self, message: Mapping[str, Any]) -> None:
        meta = {n: message[n] for n in ("artifact", "name") if message.get(n) is not None}
        self._drafter.returned(
            message.get("tool_call_id"),
            message.get("content"),
            status="failed" if message.get("status") == "error" else "completed",
            meta=meta or None,
            raw=dict(message),
        )

    def _use(self, told: Mapping[str, Any]) -> None:
        before, after = (
            object_of(told.get(name)) for name in ("input_token_details", "output_token_details")
        )
        self._drafter.used(
            Usage(
                input_tokens=count_of(told.get("input_tokens")),
                output_tokens=count_of(told.get("output_tokens")),
                total_tokens=count_of(told.get("total_tokens")),
                cached_tokens=count_of(before.get("cache_read")),
                reasoning_tokens=count_of(after.get("reasoning")),
            )
        )


def parts_of(content: Any) -> list[Part]:
    """Return the parts of a message.

    Args:
        content: A text, or a list of texts and blocks.
    """
    if isinstance(content, str):
        return [text_part(content)]
    return [
        text_part(value) if isinstance(value, str) else _part(object_of(value))
        for value in list_of(content)
    ]


def _part(block: Mapping[str, Any]) -> Part:
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return text_part(block["text"])
    if kind == "image_url":
        url = block.get("image_url")
        return linked_part(url if isinstance(url, str) else object_of(url).get("url"))
    data = block.get("base64") or block.get("data")
    if kind in ("image", "file", "audio") and isinstance(data, str):
        return media_part(data, block.get("mime_type"), block.get("filename"))
    if kind in ("image", "file") and block.get("url"):
        return linked_part(block["url"], block.get("mime_type"))
    return data_part(name_of(kind, "unknown"), dict(block))
