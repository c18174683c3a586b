"""What a line of a Codex rollout is here."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.session.events import SessionRenamed
from domain.values import Failure, Role, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.openai_agents.responses import (
    ResponsesMapper,
    arguments_of,
    parts_of,
    texts_of,
)
from infrastructure.importers.reading.values import (
    count_of,
    moment_of,
    name_of,
    object_of,
    text_of,
    title_of,
)

_INJECTED = (
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "<turn_aborted>",
    "<skills_instructions>",
    "<collaboration_mode>",
    "# AGENTS.md",
)
_SAID_TWICE = {"user_message": "message", "agent_message": "message", "agent_reasoning": "text"}
_BEGINNING = ("task_started", "turn_started")
_ENDING = ("task_complete", "turn_complete")


class CodexMapper:
    """Maps the lines of one thread, one after the other.

    Args:
        drafter: Takes what they become.
        choices: How times are read.
        on_child: Told of each thread that a call began, by its id.
    """

    def __init__(
        self, drafter: SessionDrafter, choices: Choices, on_child: Callable[[str], None]
    ) -> None:
        self._drafter = drafter
        self._choices = choices
        self._on_child = on_child
        self._items = ResponsesMapper(drafter)
        self._begins: str | None = None
        self._context: Mapping[str, Any] | None = None
        self._turns: list[str] = []
        self._texts: set[str] = set()
        self._doubles: list[tuple[str, str, dict[str, Any]]] = []

    def map(self, line: Mapping[str, Any]) -> None:
        """Map a line.

        Args:
            line: An object of the file; before late 2025 it is the item itself.
        """
        drafter, kind = self._drafter, text_of(line.get("type"))
        payload = object_of(line.get("payload"))
        at = moment_of(line.get("timestamp"), self._choices, drafter.tally)
        drafter.item(at)
        match kind:
            case "response_item":
                self._item(payload)
            case "event_msg":
                self._event(payload)
            case "turn_context":
                self._context = dict(payload)
            case "compacted":
                meta = {n: item for n, item in payload.items() if n != "message" and item}
                drafter.compacted(text_of(payload.get("message")), meta)
            case str() if "payload" not in line:
                self._item(line)
            case _:
                drafter.verbatim(kind or "untyped", dict(line))

    def finish(self) -> None:
        """Keep what was said only beside the items."""
        self._flush_doubles()
        if self._begins is not None:
            self._begin()

    # ── items ────────────────────────────────────────────────────────────────────────────────

    def _item(self, item: Mapping[str, Any]) -> None:
        drafter, kind = self._drafter, item.get("type")
        text = texts_of(item.get("content")) or texts_of(item.get("summary"))
        if text:
            self._texts.add(text)
        if kind == "message" and item.get("role") != "assistant":
            if item.get("role") == "user" and not text.startswith(_INJECTED):
                self._ask(item)
            else:
                role: Role = "user" if item.get("role") == "user" else "system"
                drafter.message(role, parts_of(item.get("content")), implicit=True)
            return
        if kind == "ghost_snapshot":
            drafter.verbatim("ghost_snapshot", dict(item))
            return
        self._begin()
        self._items.map(item)
        output = item.get("output")
        if kind == "function_call_output" and isinstance(output, str) and output[:1] == "{":
            told = object_of(arguments_of(output, drafter))
            child = text_of(told.get("agent_id")) or text_of(told.get("thread_id"))
            if child is not None:
                self._on_child(child)

    def _ask(self, item: Mapping[str, Any]) -> None:
        drafter, begins = self._drafter, self._begins
        turn_id = begins if begins is not None else drafter.turn_id if self._turns else None
        meta = None if self._context is None else {"turn_context": self._context}
        parts = parts_of(item.get("content"))
        drafter.ask(parts, turn_id=turn_id, message_id=text_of(item.get("id")), meta=meta)
        if begins is not None and parts:
            self._begins = self._context = None
            self._turns.append(drafter.turn_id or begins)

    def _roll_back(self, event: Mapping[str, Any]) -> None:
        count = count_of(event.get("num_turns")) or 0
        left = len(self._turns) - (count if count <= len(self._turns) else 0)
        gone = self._turns[left:]
        # The next one counts from those that are left.
        del self._turns[left:]
        self._flush_doubles()
        self._drafter.verbatim("thread_rolled_back", {**event, "superseded_turns": gone})
        if gone:
            self._drafter.take_back(gone[0])

    def _begin(self) -> None:
        """Begin a turn that is known to run, and of which nobody said what was asked."""
        if self._begins is not None:
            self._drafter.begin(self._begins)
            self._turns.append(self._drafter.turn_id or self._begins)
            self._begins = None

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def _event(self, event: Mapping[str, Any]) -> None:
        drafter, kind = self._drafter, name_of(event.get("type"), "unknown")
        if kind in _SAID_TWICE:
            text = event.get(_SAID_TWICE[kind])
            if isinstance(text, str):
                self._doubles.append((kind, text, dict(event)))
            return
        if kind == "item_completed":
            item = object_of(event.get("item"))
            text = text_of(item.get("text")) or texts_of(item.get("content"))
            self._doubles.append((kind, text, dict(event)))
            return
        if kind in _BEGINNING:
            self._flush_doubles()
            self._begin()
            drafter.infer_end()
            self._begins = text_of(event.get("turn_id"))
        elif kind in _ENDING:
            self._flush_doubles()
            self._begin()
            drafter.complete("end_turn")
        elif kind == "turn_aborted":
            self._abort(event)
        elif kind == "token_count":
            self._use(event)
        elif kind == "thread_rolled_back":
            self._roll_back(event)
        elif kind == "thread_name_updated":
            drafter.add(SessionRenamed(title=title_of(event.get("thread_name"))))
        elif kind != "context_compacted":
            drafter.verbatim(f"event_msg.{kind}", dict(event))

    def _abort(self, event: Mapping[str, Any]) -> None:
        drafter, reason = self._drafter, name_of(event.get("reason"), "interrupted")
        self._flush_doubles()
        self._begin()
        if reason == "budget_limited":
            drafter.fail(Failure(kind=reason))
        else:
            drafter.cancel(reason)

    def _use(self, event: Mapping[str, Any]) -> None:
        told = object_of(object_of(event.get("info")).get("last_token_usage"))
        self._drafter.used(
            Usage(
                input_tokens=count_of(told.get("input_tokens")),
                output_tokens=count_of(told.get("output_tokens")),
                total_tokens=count_of(told.get("total_tokens")),
                cached_tokens=count_of(told.get("cached_input_tokens")),
                reasoning_tokens=count_of(told.get("reasoning_output_tokens")),
            )
        )

    def _flush_doubles(self) -> None:
        """Keep what events say and no item of the turn said."""
        for kind, text, event in self._doubles:
            if text in self._texts:
                self._drafter.tally.notes["said_twice"] += 1
            else:
                self._drafter.verbatim(f"event_msg.{kind}", event)
        self._doubles = []
        self._texts = set()
