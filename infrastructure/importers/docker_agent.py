"""docker-agent: the sessions of its `session.db`, in whatever release wrote it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from domain.errors import CairnError
from domain.permission_rules import PermissionRules, require_rules
from domain.session.events import (
    ModelOverridden,
    PermissionsReplaced,
    SessionCreated,
    SessionStarred,
    SummaryAdded,
    ToolApprovalEnabled,
    UsageRecorded,
)
from domain.values import Owner, Part, Usage
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting import SessionDrafter
from infrastructure.importers.family import end_child, lineage_of, note_child
from infrastructure.importers.langchain_messages import parts_of
from infrastructure.importers.reading import (
    NO_TIME,
    Unreadable,
    count_of,
    decoded,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
    title_of,
)
from infrastructure.importers.responses import arguments_of
from infrastructure.importers.tables import Tables, opened_tables, statements

SOURCE = "docker-agent"
_SQL = statements("docker_agent")
_ABOUT = (
    *("working_dir", "instruction_context", "safety_policy", "attributes", "origin"),
    *("custom_models_used", "max_iterations", "thinking", "send_user_message"),
)
_USUAL = (None, "", 0, "{}", "[]")


def read_docker_agent(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a database, parents before their children.

    Args:
        place: The path of `session.db`, or of a copy such as `session.db.bak`.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    with opened_tables(place) as tables:
        columns = tables.columns("sessions")
        if tables.is_postgres or ("tools_approved" not in columns and "messages" not in columns):
            raise FileFault(f"{tables.name} has no sessions of docker-agent")
        yield from _Database(tables, choices).sessions()


class _Database:
    def __init__(self, tables: Tables, choices: Choices) -> None:
        self._tables = tables
        self._choices = choices
        self._has_items = bool(tables.columns("session_items"))
        self._rows = {str(row["id"]): row for row in tables.records(_SQL["sessions"])}

    def sessions(self) -> Iterator[ForeignSession]:
        """Yield the sessions."""
        given: set[str] = set()
        for native in self._rows:
            for one in reversed([native, *self._above(native)]):
                if one not in given:
                    given.add(one)
                    yield self._session(one)

    def _above(self, native: str) -> list[str]:
        """Return the parents of a session, the nearest one first."""
        found: list[str] = []
        parent = self._rows[native].get("parent_id")
        while parent in self._rows and parent not in found and parent != native:
            found.append(parent)
            parent = self._rows[parent].get("parent_id")
        return found

    def _session(self, native: str) -> ForeignSession:
        row, tally, above = self._rows[native], Tally(), self._above(native)
        session_id = foreign_session_id(SOURCE, native)
        began = moment_of(row.get("created_at"), self._choices, tally) or NO_TIME
        lineage = None
        if above:
            parent, root = (foreign_session_id(SOURCE, one) for one in (above[0], above[-1]))
            lineage = lineage_of(parent, root, len(above), "subsession")
        drafter = SessionDrafter(SOURCE, session_id, began, tally, name=native)
        return ForeignSession(
            source=SOURCE,
            source_id=native,
            session_id=session_id,
            names_turns=True,
            created=SessionCreated(
                owner=Owner(app=self._choices.app or SOURCE, user=self._choices.user or "unknown"),
                title=title_of(row.get("title")),
                type="user" if lineage is None else "spawned",
                lineage=lineage,
                metadata={"imported_from": {"kind": SOURCE, "key": [native]}},
            ),
            created_at=began,
            drafts=self._drafts(drafter, native, row, len(above)),
            tally=tally,
        )

    def _drafts(
        self, drafter: SessionDrafter, native: str, row: Mapping[str, Any], depth: int
    ) -> Iterator[Draft]:
        mapper = _Mapper(drafter, self._choices, depth)
        mapper.settings(row)
        for number, item in enumerate(self._items(native, row, drafter.tally), 1):
            try:
                mapper.item(item)
            except Unreadable as error:
                raw = item.get("message_json")
                drafter.unreadable(f"item {number}", str(error), raw)
            yield from drafter.take()
        mapper.totals(row)
        if depth:
            end_child(drafter)
        drafter.finish()
        yield from drafter.take()

    def _items(
        self, native: str, row: Mapping[str, Any], tally: Tally
    ) -> Iterable[Mapping[str, Any]]:
        if self._has_items:
            yield from self._tables.records(_SQL["items"], native)
        try:
            old = list_of(decoded(row.get("messages") or "[]", tally))
        except Unreadable as error:
            tally.failed(f"{native}, its messages", str(error))
            return
        for value in old:
            yield _old_item(object_of(value))


def _old_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of a release before 2026 as later ones have it."""
    if text_of(item.get("summary")) is not None:
        return {"item_type": "summary", "summary_text": item["summary"]}
    if item.get("sub_session"):
        below = object_of(item["sub_session"]).get("id")
        return {"item_type": "subsession", "subsession_id": below}
    outer = object_of(item.get("message")) or item
    agent = outer.get("agentName") or outer.get("agentFilename") or outer.get("AgentFilename")
    return {
        "item_type": "message",
        "agent_name": agent,
        "implicit": outer.get("implicit"),
        "message": object_of(outer.get("message")) or outer,
    }


class _Mapper:
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
