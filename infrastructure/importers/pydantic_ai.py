"""pydantic-ai: message histories as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from domain.values import Agent, Part, ToolOutcome, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.parts import data_part, linked_part, media_part, text_part
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.openai_agents.responses import arguments_of
from infrastructure.importers.reading.source_files import document_of
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    clean,
    count_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)

SOURCE = "pydantic-ai"
_OUTCOMES: Mapping[str, ToolOutcome] = {
    "success": "completed",
    "failed": "failed",
    "denied": "cancelled",
    "interrupted": "abandoned",
    "retried": "failed",
}


def read_pydantic_ai(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the conversations of a file, in the order of their first messages.

    Args:
        place: The path; a conversation without an id is known by the name of the file.
        choices: How they are placed.

    Raises:
        FileFault: It is no history of messages.
    """
    told = document_of(Path(place))
    if not isinstance(told, list) or not all(
        object_of(one).get("kind") in ("request", "response") for one in list_of(told)
    ):
        raise FileFault(f"{place} is no history of messages of pydantic-ai")
    conversations: dict[str, list[Mapping[str, Any]]] = {}
    for value in list_of(told):
        message = object_of(value)
        native = text_of(message.get("conversation_id")) or Path(place).stem
        conversations.setdefault(native, []).append(message)
    for native, messages in conversations.items():
        yield _session(native, messages, choices)


def _session(
    native: str, messages: Sequence[Mapping[str, Any]], choices: Choices
) -> ForeignSession:
    tally, session_id = Tally(), foreign_session_id(SOURCE, native)
    began = moment_of(messages[0].get("timestamp"), choices, Tally()) or NO_TIME
    model = next((m["model_name"] for m in messages if text_of(m.get("model_name"))), None)
    agent = None if model is None else Agent(name=SOURCE, model=name_of(model, "unknown"))
    drafter = SessionDrafter(SOURCE, session_id, began, tally, name=native)
    drafts = _drafts(drafter, messages, choices)
    return foreign_session(drafter, drafts, choices, key=[native], agent=agent)


def _drafts(
    drafter: SessionDrafter, messages: Sequence[Mapping[str, Any]], choices: Choices
) -> Iterator[Draft]:
    mapper = _Mapper(drafter, choices)
    for number, message in enumerate(messages, 1):
        try:
            mapper.map(object_of(clean(message, drafter.tally)))
        except Unreadable as error:
            drafter.unreadable(f"message {number}", str(error), None)
        yield from drafter.take()
    drafter.finish()
    yield from drafter.take()


class _Mapper:
    """Maps the messages of one conversation, one after the other."""

    def __init__(self, drafter: SessionDrafter, choices: Choices) -> None:
        self._drafter = drafter
        self._choices = choices
        self._instructions: str | None = None

    def map(self, message: Mapping[str, Any]) -> None:
        """Map a message."""
        drafter = self._drafter
        drafter.item(moment_of(message.get("timestamp"), self._choices, drafter.tally))
        instructions = text_of(message.get("instructions"))
        if instructions is not None and instructions != self._instructions:
            self._instructions = instructions
            drafter.message("system", [text_part(instructions)], implicit=True)
        run = text_of(message.get("run_id"))
        for value in list_of(message.get("parts")):
            part = object_of(value)
            if message.get("kind") == "request":
                self._request(part, run)
            else:
                self._response(part)
        if message.get("kind") == "response":
            self._use(object_of(message.get("usage")))

    def _request(self, part: Mapping[str, Any], run: str | None) -> None:
        drafter, kind = self._drafter, name_of(part.get("part_kind"), "unknown")
        match kind:
            case "user-prompt":
                drafter.ask(_parts(part.get("content")), turn_id=run)
            case "system-prompt":
                drafter.message("system", _parts(part.get("content")), implicit=True)
            case "tool-return":
                outcome = str(part.get("outcome") or "success")
                meta = {n: part[n] for n in ("metadata", "retry") if part.get(n)}
                drafter.returned(
                    part.get("tool_call_id"),
                    part.get("content"),
                    status=_OUTCOMES.get(outcome, "completed"),
                    meta=meta or None,
                    raw=dict(part),
                )
            case "retry-prompt" if drafter.is_open(part.get("tool_call_id")):
                drafter.returned(part.get("tool_call_id"), part.get("content"), status="failed")
            case _:
                drafter.verbatim(kind, dict(part))

    def _response(self, part: Mapping[str, Any]) -> None:
        drafter, kind = self._drafter, name_of(part.get("part_kind"), "unknown")
        content = part.get("content")
        match kind:
            case "text" if isinstance(content, str):
                drafter.say([text_part(content)], message_id=text_of(part.get("id")))
            case "thinking":
                text = content if isinstance(content, str) else ""
                signature = part.get("signature")
                meta = {"signature": signature} if signature else None
                drafter.think(text, message_id=text_of(part.get("id")), meta=meta)
            case "tool-call" | "builtin-tool-call":
                arguments = arguments_of(part.get("args"), drafter)
                drafter.call(
                    part.get("tool_call_id"), part.get("tool_name"), arguments, raw=dict(part)
                )
            case "builtin-tool-return":
                drafter.returned(part.get("tool_call_id"), content, raw=dict(part))
            case "compaction":
                drafter.compacted(text_of(content), dict(part))
            case "file":
                drafter.say([_part(object_of(content))])
            case _:
                drafter.verbatim(kind, dict(part))

    def _use(self, told: Mapping[str, Any]) -> None:
        cost = told.get("cost")
        self._drafter.used(
            Usage(
                input_tokens=count_of(told.get("input_tokens")),
                output_tokens=count_of(told.get("output_tokens")),
                cached_tokens=count_of(told.get("cache_read_tokens")),
                reasoning_tokens=count_of(told.get("output_reasoning_tokens")),
                cost=cost if isinstance(cost, float) else None,
            )
        )


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)]
    return [
        text_part(one) if isinstance(one, str) else _part(object_of(one))
        for one in list_of(content)
    ]


def _part(part: Mapping[str, Any]) -> Part:
    kind = name_of(part.get("kind"), "unknown")
    if kind == "binary":
        return media_part(part.get("data"), part.get("media_type"), part.get("identifier"))
    if kind.endswith("-url"):
        return linked_part(part.get("url"), part.get("media_type"))
    return data_part(kind, dict(part))
