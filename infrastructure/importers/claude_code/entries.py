"""What an entry of a Claude Code transcript is here."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.session.events import (
    InputDispatched,
    InputQueued,
    RuntimeNotice,
    SessionRenamed,
    SessionTagged,
    SummaryAdded,
)
from domain.values import MAX_SUMMARY, Failure, Part, TurnSource, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.parts import data_part, linked_part, media_part, text_part
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import (
    count_of,
    id_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
    title_of,
)

TRANSCRIPT = frozenset(("user", "assistant", "system", "attachment", "progress"))
"""The types of entries that own their uuid."""
_INTERRUPTED = "[Request interrupted by user"
_ECHOES = ("<command-name>", "<command-message>", "<local-command-", "<bash-", "Caveat: ")
_NOTICES = ("<task-notification>", "<system-reminder>")
_ENDS = ("end_turn", "stop_sequence", "refusal")


class ClaudeMapper:
    """Maps the entries of one session, one after the other.

    Args:
        drafter: Takes what they become.
        choices: How times are read.
        on_call: Told of each call, by its id.
    """

    def __init__(
        self, drafter: SessionDrafter, choices: Choices, on_call: Callable[[str], None]
    ) -> None:
        self._drafter = drafter
        self._choices = choices
        self._on_call = on_call
        self._usage: tuple[str, Mapping[str, Any]] | None = None
        self._titled = False
        self._summaries: list[tuple[str, str]] = []
        self._asked_after: dict[str, int] = {}
        self._turns: list[str] = []
        self._queued: list[tuple[str, str]] = []
        self._queues = 0

    def map(self, entry: Mapping[str, Any]) -> None:
        """Map an entry.

        Args:
            entry: An object of the file.
        """
        drafter, kind = self._drafter, entry.get("type")
        drafter.item(
            moment_of(entry.get("timestamp"), self._choices, drafter.tally),
            cause=id_of(entry.get("uuid")),
            key=text_of(entry.get("uuid")) if kind in TRANSCRIPT else None,
        )
        match kind:
            case "user":
                self._user(entry)
            case "assistant":
                self._assistant(entry)
            case "system":
                self._system(entry)
            case "custom-title" | "ai-title" | "summary" | "tag":
                self._describe(entry)
            case "queue-operation":
                self._queue(entry)
            case _:
                drafter.verbatim(name_of(kind, "untyped"), dict(entry))

    def finish(self, seen: Callable[[str], bool]) -> None:
        """Say what only the end of the file tells.

        Args:
            seen: Whether an entry of this uuid is in the file.
        """
        self._flush_usage()
        title = next((text for text, leaf in reversed(self._summaries) if seen(leaf)), None)
        if title is not None and not self._titled:
            self._drafter.add(SessionRenamed(title=title))

    # ── people ───────────────────────────────────────────────────────────────────────────────

    def _user(self, entry: Mapping[str, Any]) -> None:
        drafter, uuid = self._drafter, text_of(entry.get("uuid"))
        content = object_of(entry.get("message")).get("content")
        said: list[Part] = []
        for value in (
            [{"type": "text", "text": content}] if isinstance(content, str) else list_of(content)
        ):
            block = object_of(value)
            if block.get("type") == "tool_result":
                self._result(block, entry)
            else:
                said.append(_part(block))
        if not said:
            return
        text = _first_text(said)
        if entry.get("isCompactSummary"):
            drafter.add(SummaryAdded(summary_id=uuid or f"summary-{drafter.sequence}", text=text))
        elif text.startswith(_INTERRUPTED):
            self._flush_usage()
            if drafter.turn_id is None:
                drafter.message("user", said, message_id=uuid, implicit=True)
            else:
                drafter.cancel("interrupted by the user")
        elif entry.get("isMeta") or text.startswith(_ECHOES):
            drafter.message("user", said, message_id=uuid, implicit=True)
        else:
            self._ask(entry, said, text)

    def _ask(self, entry: Mapping[str, Any], said: list[Part], text: str) -> None:
        drafter, uuid = self._drafter, text_of(entry.get("uuid"))
        self._flush_usage()
        kind = object_of(entry.get("origin")).get("kind")
        by_nobody = kind not in (None, "human") or text.startswith(_NOTICES)
        source: TurnSource = "synthetic" if by_nobody else "user"
        parent = text_of(entry.get("parentUuid"))
        if parent is not None and parent in self._asked_after:
            gone = self._turns[self._asked_after[parent] :]
            drafter.tally.notes["rewind"] += 1
            drafter.verbatim("rewind", {"to": parent, "superseded_turns": gone})
        input_id, message_id = None, uuid
        if self._queued and self._queued[0][1] == text:
            input_id = self._queued.pop(0)[0]
            message_id = f"input-{input_id}"
        drafter.ask(said, turn_id=input_id, message_id=message_id, source=source)
        turn_id = drafter.turn_id
        if turn_id is not None and (not self._turns or self._turns[-1] != turn_id):
            if parent is not None:
                self._asked_after[parent] = len(self._turns)
            self._turns.append(turn_id)

    def _result(self, block: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
        told = entry.get("toolUseResult")
        self._drafter.returned(
            block.get("tool_use_id"),
            block.get("content"),
            status="failed" if block.get("is_error") is True else "completed",
            meta=None if told is None else {"tool_use_result": told},
            raw=dict(entry),
        )

    def _queue(self, entry: Mapping[str, Any]) -> None:
        drafter, text = self._drafter, text_of(entry.get("content"))
        match entry.get("operation"):
            case "enqueue" if text is not None:
                self._queues += 1
                input_id = f"{drafter.made}queued-{self._queues}"
                self._queued.append((input_id, text))
                drafter.add(
                    InputQueued(
                        input_id=input_id,
                        message_id=f"input-{input_id}",
                        parts=(text_part(text),),
                        source="user",
                        generation=0,
                    )
                )
            case "dequeue" if self._queued:
                drafter.add(InputDispatched(input_id=self._queued[0][0]))
            case _:
                drafter.verbatim("queue-operation", dict(entry))

    # ── the agent ────────────────────────────────────────────────────────────────────────────

    def _assistant(self, entry: Mapping[str, Any]) -> None:
        drafter, message = self._drafter, object_of(entry.get("message"))
        blocks = list_of(message.get("content"))
        if entry.get("isApiErrorMessage") or message.get("model") == "<synthetic>":
            text = "\n".join(t for b in blocks if (t := text_of(object_of(b).get("text"))))
            if drafter.turn_id is None:
                drafter.add(RuntimeNotice(level="error", text=text))
            else:
                drafter.fail(Failure(kind="api_error", summary=text[:MAX_SUMMARY] or None))
            return
        message_id = text_of(message.get("id"))
        if message_id is not None and message.get("usage"):
            if self._usage is not None and self._usage[0] != message_id:
                self._flush_usage()
            self._usage = message_id, object_of(message["usage"])
        for value in blocks:
            self._block(object_of(value), message_id, entry)
        if message.get("stop_reason") in _ENDS:
            self._flush_usage()
            drafter.complete(str(message["stop_reason"]))

    def _block(
        self, block: Mapping[str, Any], message_id: str | None, entry: Mapping[str, Any]
    ) -> None:
        drafter = self._drafter
        match block.get("type"):
            case "thinking" | "redacted_thinking":
                meta = {n: block[n] for n in ("signature", "data") if block.get(n)}
                text = block.get("thinking")
                drafter.think(
                    text if isinstance(text, str) else "", message_id=message_id, meta=meta or None
                )
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                drafter.call(
                    block.get("id"), block.get("name"), block.get("input"), raw=dict(entry)
                )
                if isinstance(block.get("id"), str):
                    self._on_call(block["id"])
            case str() as kind if kind.endswith("_tool_result"):
                self._result(block, entry)
            case _:
                drafter.say([_part(block)], message_id=message_id)

    def _flush_usage(self) -> None:
        if self._usage is None:
            return
        told, self._usage = self._usage[1], None
        cached = count_of(told.get("cache_read_input_tokens"))
        meta = {n: told[n] for n in ("cache_creation_input_tokens",) if told.get(n)}
        self._drafter.used(
            Usage(
                input_tokens=count_of(told.get("input_tokens")),
                output_tokens=count_of(told.get("output_tokens")),
                cached_tokens=cached,
            ),
            meta=meta or None,
        )

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def _system(self, entry: Mapping[str, Any]) -> None:
        drafter, subtype = self._drafter, name_of(entry.get("subtype"), "unknown")
        text = text_of(entry.get("content"))
        match subtype:
            case "compact_boundary" | "microcompact_boundary":
                told = dict(object_of(entry.get("compactMetadata")))
                drafter.compacted(None, told | {"kind": subtype})
            case "api_error":
                error = entry.get("error")
                drafter.add(
                    RuntimeNotice(level="error", text=text or subtype, meta={"error": error})
                )
            case "informational" if text is not None:
                level = text_of(entry.get("level")) or "info"
                drafter.add(RuntimeNotice(level=level, text=text))
            case "local_command" if text is not None:
                uuid = text_of(entry.get("uuid"))
                drafter.message("system", [text_part(text)], message_id=uuid, implicit=True)
            case _:
                if subtype == "turn_duration" and drafter.turn_id is not None:
                    self._flush_usage()
                    drafter.complete("end_turn")
                drafter.verbatim(f"system.{subtype}", dict(entry))

    def _describe(self, entry: Mapping[str, Any]) -> None:
        drafter = self._drafter
        match entry.get("type"):
            case "custom-title":
                self._titled = True
                drafter.add(SessionRenamed(title=title_of(entry.get("customTitle"))))
            case "ai-title":
                title = title_of(entry.get("aiTitle"))
                if not self._titled and title is not None:
                    drafter.add(SessionRenamed(title=title))
                else:
                    drafter.verbatim("ai-title", dict(entry))
            case "summary":
                title, leaf = title_of(entry.get("summary")), text_of(entry.get("leafUuid"))
                if title is not None and leaf is not None:
                    self._summaries.append((title, leaf))
                drafter.verbatim("summary", dict(entry))
            case _:
                tag = text_of(entry.get("tag"))
                drafter.add(SessionTagged(tags=() if tag is None else (name_of(tag, "tag"),)))


def _part(block: Mapping[str, Any]) -> Part:
    kind, source = block.get("type"), object_of(block.get("source"))
    if kind == "text" and isinstance(block.get("text"), str):
        return text_part(block["text"])
    if kind in ("image", "document") and source.get("type") == "base64":
        return media_part(source.get("data"), source.get("media_type"), block.get("title"))
    if kind in ("image", "document") and source.get("type") == "url":
        return linked_part(source.get("url"))
    return data_part(name_of(kind, "unknown"), dict(block))


def _first_text(parts: list[Part]) -> str:
    return next((part["text"] for part in parts if part.get("type") == "text"), "")
