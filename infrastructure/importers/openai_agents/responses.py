"""Items as the Responses API has them, which OpenAI Agents and Codex both keep."""

from collections.abc import Mapping
from typing import Any

from domain.session.events import PermissionDecided, PermissionRequested
from domain.values import Option, Part, ToolOutcome
from infrastructure.importers.drafting.parts import data_part, linked_part, media_part, text_part
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import (
    Unreadable,
    decoded,
    id_of,
    list_of,
    name_of,
    object_of,
    text_of,
)

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_WHOLE = frozenset(
    (
        *("web_search_call", "file_search_call", "code_interpreter_call", "mcp_call"),
        *("image_generation_call", "mcp_list_tools"),
    )
)
"""Calls that the provider answered itself: the result is in the item."""
_OPTIONS = (
    Option(option_id="approve", name="Approve", kind="allow_once"),
    Option(option_id="deny", name="Deny", kind="reject_once"),
)


def parts_of(content: Any) -> list[Part]:
    """Return the parts of a message.

    Args:
        content: A text, or a list of parts as the API has them.
    """
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [_part(object_of(value)) for value in list_of(content)]


def _part(part: Mapping[str, Any]) -> Part:
    kind = part.get("type")
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return text_part(part["text"])
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"], "refusal": True}
    if kind == "input_image" and part.get("image_url"):
        return linked_part(part["image_url"])
    if kind == "input_file" and isinstance(part.get("file_data"), str):
        head, comma, data = part["file_data"].partition(",")
        media_type = head[5:].partition(";")[0] if comma else None
        return media_part(data if comma else head, media_type, part.get("filename"))
    return data_part(name_of(kind, "unknown"), dict(part))


def texts_of(content: Any) -> str:
    """Return all texts of a message, one after the other."""
    if isinstance(content, str):
        return content
    found = (object_of(value).get("text") for value in list_of(content))
    return "".join(text for text in found if isinstance(text, str))


def arguments_of(text: Any, drafter: SessionDrafter) -> Any:
    """Return the arguments of a call; a text that is no JSON, such as one that was cut, as it is.

    Args:
        text: As the source has them.
        drafter: Counts those that are cut.
    """
    if not isinstance(text, str):
        return text
    try:
        return decoded(text, drafter.tally)
    except Unreadable:
        if text:
            drafter.tally.notes["unparsable_arguments"] += 1
        return text


class ResponsesMapper:
    """Maps items of one session, except for what people say.

    Args:
        drafter: Takes what they become.
    """

    def __init__(self, drafter: SessionDrafter) -> None:
        self._drafter = drafter
        self._handoffs: set[str] = set()

    def map(self, item: Mapping[str, Any]) -> None:
        """Map an item.

        Args:
            item: Not a message of a person.
        """
        kind = text_of(item.get("type")) or "message"
        if kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._reason(item)
        elif kind == "mcp_approval_request":
            self._request(item)
        elif kind == "mcp_approval_response":
            self._decide(item)
        elif kind in ("compaction", "context_compaction"):
            self._drafter.compacted(None, dict(item))
        elif kind in _WHOLE:
            self._whole(kind, item)
        elif kind.endswith("_call"):
            self._call(kind, item)
        elif kind.endswith("_output"):
            self._output(item)
        else:
            self._drafter.verbatim(kind, dict(item))

    def _message(self, item: Mapping[str, Any]) -> None:
        drafter, role = self._drafter, item.get("role")
        parts, message_id = parts_of(item.get("content")), text_of(item.get("id"))
        if role == "assistant":
            meta = {"phase": item["phase"]} if item.get("phase") else None
            drafter.say(parts, message_id=message_id, meta=meta)
        elif role in ("system", "developer"):
            drafter.message("system", parts, message_id=message_id, implicit=True)
        else:
            drafter.verbatim("message", dict(item))

    def _reason(self, item: Mapping[str, Any]) -> None:
        told = list_of(item.get("summary")) + list_of(item.get("content"))
        text = "\n".join(found for part in told if (found := texts_of([part])))
        meta = {n: item[n] for n in ("encrypted_content", "status") if item.get(n)}
        self._drafter.think(text, message_id=text_of(item.get("id")), meta=meta or None)

    def _call(self, kind: str, item: Mapping[str, Any]) -> None:
        call_id = item.get("call_id") or item.get("id")
        name = text_of(item.get("name")) or kind.removesuffix("_call")
        if name.startswith("transfer_to_") and isinstance(call_id, str):
            self._handoffs.add(call_id)
        known = next((n for n in ("arguments", "input", "action") if n in item), None)
        given = item[known] if known is not None else dict(item)
        arguments = given if kind == "custom_tool_call" else arguments_of(given, self._drafter)
        fields = ("id", "status", "namespace")
        meta = {n: item[n] for n in fields if item.get(n) and item[n] != call_id}
        self._drafter.call(call_id, name, arguments, meta=meta or None, raw=dict(item))

    def _whole(self, kind: str, item: Mapping[str, Any]) -> None:
        drafter = self._drafter
        call_id = item.get("call_id") or item.get("id") or f"{kind}-{drafter.sequence}"
        name = text_of(item.get("name")) or kind.removesuffix("_call")
        drafter.call(call_id, name, item.get("action") or item.get("arguments"), raw=dict(item))
        failed = item.get("status") == "failed" or bool(item.get("error"))
        drafter.returned(call_id, dict(item), status="failed" if failed else "completed")

    def _output(self, item: Mapping[str, Any]) -> None:
        drafter, call_id, output = self._drafter, item.get("call_id"), item.get("output")
        status: ToolOutcome = "completed"
        if object_of(output).get("success") is False:
            status = "failed"
        meta = {"failed_hint": True} if _looks_failed(output) else None
        drafter.returned(call_id, output, status=status, meta=meta, raw=dict(item))
        if call_id in self._handoffs and isinstance(output, str):
            self._handoffs.discard(call_id)
            target = text_of(object_of(arguments_of(output, drafter)).get("assistant"))
            if target is not None:
                drafter.switch(target)

    def _request(self, item: Mapping[str, Any]) -> None:
        drafter, request_id = self._drafter, id_of(item.get("id"))
        if request_id is None:
            drafter.verbatim("mcp_approval_request", dict(item))
            return
        if drafter.turn_id is None:
            drafter.begin(None, "synthetic")
        arguments = object_of(arguments_of(item.get("arguments"), drafter))
        drafter.add(
            PermissionRequested(
                request_id=request_id,
                turn_id=drafter.turn_id or "",
                options=_OPTIONS,
                tool=name_of(item.get("name"), "unknown"),
                arguments=arguments or None,
                meta={"server_label": item.get("server_label")},
            )
        )

    def _decide(self, item: Mapping[str, Any]) -> None:
        request_id = id_of(item.get("approval_request_id"))
        if request_id is None:
            self._drafter.verbatim("mcp_approval_response", dict(item))
            return
        approved = item.get("approve") is True
        self._drafter.add(
            PermissionDecided(
                request_id=request_id,
                decision="allow_once" if approved else "reject_once",
                option_id="approve" if approved else "deny",
                reason=text_of(item.get("reason")),
            )
        )


def _looks_failed(output: Any) -> bool:
    """Return whether a text says by custom that a call failed; nothing says it by a flag."""
    if not isinstance(output, str):
        return False
    code = output.removeprefix("Exit code: ").partition("\n")[0]
    failed_exit = output.startswith("Exit code: ") and code.strip() not in ("0", "")
    return failed_exit or output.startswith("An error occurred while running the tool")
