"""What the items of a session of docker-agent are here."""

from collections.abc import Mapping
from typing import Any

from application.transfer.foreign import foreign_session_id
from domain.errors import CairnError
from domain.permissions.permission_rules import PermissionRules, require_rules
from domain.session.events import (
    ModelOverridden,
    PermissionsReplaced,
    SessionStarred,
    SummaryAdded,
    ToolApprovalEnabled,
    UsageRecorded,
)
from domain.values import Part, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.family import note_child
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.langchain.messages import parts_of
from infrastructure.importers.openai_agents.responses import arguments_of
from infrastructure.importers.reading.values import (
    Unreadable,
    count_of,
    decoded,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)

SOURCE = "docker-agent"
_ABOUT = (
    *("working_dir", "instruction_context", "safety_policy", "attributes", "origin"),
    *("custom_models_used", "max_iterations", "thinking", "send_user_message"),
)
_USUAL = (None, "", 0, "{}", "[]")


class ItemMapper:
    """Maps the items of one session, one after the other."""

    def __init__(self, drafter: SessionDrafter, choices: Choices, depth: int) -> None:
        self._drafter = drafter
        self._choices = choices
        self._depth = depth
        self._agent: str | None = None

    def settings(self, row: Mapping[str, Any]) -> None:
        """Tell what was set for the session."""
        drafter = self._drafter
        if row.get("tools_approved"):
            drafter.add(ToolApprovalEnabled())
        if row.get("starred"):
            drafter.add(SessionStarred())
        self._permissions(row.get("permissions"))
        self._models(row.get("agent_model_overrides"))
        about = {name: row[name] for name in _ABOUT if row.get(name, None) not in _USUAL}
        if about:
            drafter.verbatim("session", about)

    def _models(self, raw: Any) -> None:
        try:
            models = object_of(decoded(raw or "{}", self._drafter.tally))
        except Unreadable:
            self._drafter.verbatim("models", raw)
            return
        for agent, model in models.items():
            named = name_of(agent, "agent")
            self._drafter.add(ModelOverridden(agent=named, model=name_of(model, "unknown")))

    def _permissions(self, raw: Any) -> None:
        if text_of(raw) is None:
            return
        try:
            told = object_of(decoded(raw, self._drafter.tally))
            allow, ask, deny = (
                tuple(one for one in list_of(told.get(name)) if isinstance(one, str))
                for name in ("allow", "ask", "deny")
            )
            rules = PermissionRules(allow=allow, ask=ask, deny=deny)
            require_rules(rules)
        except (Unreadable, CairnError):
            self._drafter.verbatim("permissions", raw)
        else:
            self._drafter.add(PermissionsReplaced(permissions=rules))

    def totals(self, row: Mapping[str, Any]) -> None:
        """Tell what the session used in all, as it was counted there."""
        used = count_of(row.get("input_tokens")), count_of(row.get("output_tokens"))
        cost = row.get("cost")
        if any(used) or cost:
            self._drafter.add(
                UsageRecorded(
                    mode="set",
                    input_tokens=used[0],
                    output_tokens=used[1],
                    cost=float(cost) if isinstance(cost, int | float) else None,
                )
            )

    def item(self, item: Mapping[str, Any]) -> None:
        """Map an item.

        Raises:
            Unreadable: Its message is no JSON.
        """
        drafter = self._drafter
        match item.get("item_type"):
            case "message":
                raw = item.get("message_json")
                told = item.get("message") if raw is None else decoded(raw, drafter.tally)
                self._message(object_of(told), item)
            case "subsession" if text_of(item.get("subsession_id")) is not None:
                below = foreign_session_id(SOURCE, item["subsession_id"])
                note_child(drafter, below, "subsession", self._depth + 1)
            case "summary":
                self._summary(item)
            case other:
                drafter.verbatim(name_of(other, "item"), dict(item))

    def _summary(self, item: Mapping[str, Any]) -> None:
        drafter, text = self._drafter, text_of(item.get("summary_text")) or ""
        first = item.get("first_kept_entry")
        drafter.add(
            SummaryAdded(
                summary_id=f"summary-{drafter.sequence}",
                text=text,
                first_kept=None if not first else str(first),
            )
        )
        drafter.compacted(text or None)
        drafter.used(_usage(object_of(item.get("usage")), item))

    def _message(self, message: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        drafter, role = self._drafter, message.get("role")
        drafter.item(moment_of(message.get("created_at"), self._choices, drafter.tally))
        many = message.get("multi_content")
        said: list[Part] = parts_of(many or message.get("content") or [])
        agent = text_of(item.get("agent_name"))
        if role == "user" and not item.get("implicit"):
            drafter.ask(said)
        elif role in ("user", "system"):
            self._implicit(str(role), said)
        elif role == "assistant":
            if agent is not None and agent != self._agent:
                drafter.switch(agent)
                self._agent = agent
            self._answer(message, said)
            drafter.used(_usage(object_of(message.get("usage")), {**item, **message}))
        elif role == "tool":
            failed = message.get("is_error") is True
            drafter.returned(
                message.get("tool_call_id"),
                many or message.get("content"),
                status="failed" if failed else "completed",
                raw=dict(message),
            )
        else:
            drafter.verbatim("message", dict(message))

    def _implicit(self, role: str, said: list[Part]) -> None:
        # A task that a parent gave begins the work of its child, though nobody typed it.
        if role == "user" and self._depth and self._drafter.turn_id is None:
            self._drafter.ask(said, source="synthetic")
        else:
            self._drafter.message("user" if role == "user" else "system", said, implicit=True)

    def _answer(self, message: Mapping[str, Any], said: list[Part]) -> None:
        drafter = self._drafter
        thought = text_of(message.get("reasoning_content"))
        signature = message.get("thinking_signature")
        if thought is not None or signature:
            drafter.think(thought or "", meta={"signature": signature} if signature else None)
        drafter.say(said)
        for value in list_of(message.get("tool_calls")):
            call = object_of(value)
            function = object_of(call.get("function"))
            arguments = arguments_of(function.get("arguments"), drafter)
            drafter.call(call.get("id"), function.get("name"), arguments, raw=dict(call))


def _usage(told: Mapping[str, Any], item: Mapping[str, Any]) -> Usage:
    cost = item.get("cost")
    return Usage(
        input_tokens=count_of(told.get("input_tokens")),
        output_tokens=count_of(told.get("output_tokens")),
        cached_tokens=count_of(told.get("cached_input_tokens")),
        reasoning_tokens=count_of(told.get("reasoning_tokens")),
        cost=float(cost) if isinstance(cost, int | float) and cost else None,
    )
