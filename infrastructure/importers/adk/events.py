"""What an event of google-adk is here."""

from collections.abc import Mapping
from typing import Any

from domain.scope.state_keys import scope_of
from domain.session.events import (
    PermissionDecided,
    PermissionRequested,
    RuntimeNotice,
)
from domain.values import MAX_SUMMARY, Failure, Option, Part, Usage
from infrastructure.importers.adk.drafter import Drafter
from infrastructure.importers.adk.parts import is_confirmed, meta_of, part_of
from infrastructure.importers.choices import Choices
from infrastructure.importers.reading.values import (
    count_of,
    id_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)

CONFIRMATION = "adk_request_confirmation"
CREDENTIAL = "adk_request_credential"
_OPTIONS = (
    Option(option_id="confirm", name="Confirm", kind="allow_once"),
    Option(option_id="reject", name="Reject", kind="reject_once"),
)
_LONGEST_GUESSABLE = 31
_KNOWN = frozenset(
    (
        *("id", "invocation_id", "author", "timestamp", "content", "actions", "usage_metadata"),
        *("long_running_tool_ids", "model_version", "finish_reason", "error_code"),
        *("error_message", "branch", "node_info", "partial", "turn_complete"),
    )
)
_KNOWN_ACTIONS = frozenset(
    (
        *("state_delta", "transfer_to_agent", "requested_tool_confirmations"),
        *("requested_auth_configs", "compaction", "rewind_before_invocation_id"),
    )
)


class AdkMapper:
    """Maps the events of one session, one after the other.

    Args:
        drafter: Takes what they become.
        agent: Who answers at first.
        choices: How times are read.
    """

    def __init__(self, drafter: Drafter, agent: str | None, choices: Choices) -> None:
        self.shared: dict[str, Any] = {}
        """The keys shared with other sessions that were written, with their last values."""
        self._drafter = drafter
        self._agent = agent
        self._choices = choices
        self._long_running: set[str] = set()
        self._asked: set[str] = set()
        self._invocations: dict[str, list[str]] = {}

    def map(self, event: Mapping[str, Any]) -> None:
        """Map an event.

        Args:
            event: With the names of fields that databases have.
        """
        drafter = self._drafter
        actions = {n: value for n, value in object_of(event.get("actions")).items() if value}
        native = text_of(event.get("id"))
        drafter.item(
            moment_of(event.get("timestamp"), self._choices, drafter.tally),
            cause=id_of(native),
            key=native if native is not None and len(native) > _LONGEST_GUESSABLE else None,
        )
        for call in list_of(event.get("long_running_tool_ids")):
            if isinstance(call, str):
                self._long_running.add(call)
        parts = list_of(object_of(event.get("content")).get("parts"))
        if event.get("author") == "user":
            self._of_user(event, parts)
        else:
            self._of_agent(event, parts)
        if actions:
            self._act(actions)
        self._use(event)
        self._fail(event, has_content=bool(parts))
        self._keep(event, actions)

    def _of_user(self, event: Mapping[str, Any], parts: list[Any]) -> None:
        invocation = text_of(event.get("invocation_id"))
        said: list[Part] = []
        for value in parts:
            part = object_of(value)
            if "function_response" in part:
                self._respond(object_of(part["function_response"]), event, by_user=True)
            elif (made := part_of(part)) is not None:
                said.append(made)
        if said:
            self._drafter.ask(said, turn_id=invocation, message_id=text_of(event.get("id")))
            self._remember(invocation)

    def _of_agent(self, event: Mapping[str, Any], parts: list[Any]) -> None:
        if not parts:
            return
        drafter, meta = self._drafter, meta_of(event)
        self._in_turn(event)
        author = text_of(event.get("author"))
        if author is not None and author != self._agent:
            drafter.switch(author)
            self._agent = author
        said: list[Part] = []
        message_id = text_of(event.get("id"))
        for value in parts:
            part = object_of(value)
            made = part_of(part)
            if made is not None and not part.get("thought"):
                said.append(made)
                continue
            drafter.say(said, message_id=message_id, meta=meta)
            said = []
            signed = meta
            if (signature := part.get("thought_signature")) is not None:
                signed = {**(meta or {}), "thought_signature": signature}
            if part.get("thought") and isinstance(part.get("text"), str):
                drafter.think(part["text"], message_id=message_id, meta=signed)
            elif "function_call" in part:
                self._call(object_of(part["function_call"]), signed)
            elif "function_response" in part:
                self._respond(object_of(part["function_response"]), event, by_user=False)
            elif made is not None:
                drafter.say([made], message_id=message_id, meta=meta)
        drafter.say(said, message_id=message_id, meta=meta)

    def _in_turn(self, event: Mapping[str, Any]) -> None:
        invocation = text_of(event.get("invocation_id"))
        if invocation is None:
            return
        mine = self._invocations.get(invocation)
        if mine is None or self._drafter.turn_id not in mine:
            self._drafter.begin(invocation, "synthetic")
            self._drafter.tally.notes["inferred_turn"] += 1
            self._remember(invocation)

    def _remember(self, invocation: str | None) -> None:
        if invocation is not None and self._drafter.turn_id is not None:
            turns = self._invocations.setdefault(invocation, [])
            if self._drafter.turn_id not in turns:
                turns.append(self._drafter.turn_id)

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def _call(self, call: Mapping[str, Any], meta: dict[str, Any] | None) -> None:
        name, call_id, arguments = call.get("name"), text_of(call.get("id")), call.get("args")
        if name == CREDENTIAL:
            self._drafter.tally.notes["credentials_dropped"] += 1
            self._drafter.verbatim("credential_requested", {"id": call_id})
        elif name == CONFIRMATION and call_id is not None:
            self._request(call_id, object_of(arguments), meta)
        else:
            self._drafter.call(call_id, name, arguments, meta=meta, raw=call)

    def _request(
        self, call_id: str, arguments: Mapping[str, Any], meta: dict[str, Any] | None
    ) -> None:
        drafter = self._drafter
        about = object_of(arguments.get("originalFunctionCall"))
        asked = object_of(arguments.get("toolConfirmation"))
        request_id = id_of(call_id) or call_id
        self._asked.add(request_id)
        drafter.add(
            PermissionRequested(
                request_id=request_id,
                turn_id=drafter.turn_id or "",
                options=_OPTIONS,
                tool_call_id=id_of(about.get("id")),
                title=text_of(asked.get("hint")),
                tool=name_of(about.get("name"), "unknown"),
                arguments=object_of(about.get("args")) or None,
                meta=meta,
            )
        )

    def _respond(
        self, response: Mapping[str, Any], event: Mapping[str, Any], *, by_user: bool
    ) -> None:
        drafter, call_id, output = (
            self._drafter,
            id_of(response.get("id")),
            response.get("response"),
        )
        if call_id in self._asked:
            confirmed = is_confirmed(output)
            option = "confirm" if confirmed else "reject"
            decision = "allow_once" if confirmed else "reject_once"
            drafter.add(PermissionDecided(request_id=call_id, decision=decision, option_id=option))
            self._asked.discard(call_id)
        elif response.get("name") == CREDENTIAL:
            drafter.tally.notes["credentials_dropped"] += 1
            drafter.verbatim("credential_given", {"id": call_id})
        elif call_id in self._long_running and not by_user and drafter.is_open(call_id):
            # The first answer of a long-running tool says only that it runs.
            self._long_running.discard(call_id)
            drafter.progress(call_id, output)
        else:
            if drafter.is_open(call_id):
                self._in_turn(event)
            meta = meta_of(event) or {}
            if "error" in object_of(output):
                meta["failed_hint"] = True
            drafter.returned(call_id, output, meta=meta or None, raw=response)

    # ── the rest of an event ─────────────────────────────────────────────────────────────────

    def _act(self, actions: Mapping[str, Any]) -> None:
        drafter = self._drafter
        target = text_of(actions.get("transfer_to_agent"))
        if target is not None:
            drafter.switch(target)
            self._agent = target
        compaction = object_of(actions.get("compaction"))
        if compaction:
            told = list_of(object_of(compaction.get("compacted_content")).get("parts"))
            texts = [object_of(part).get("text") for part in told]
            summary = "\n".join(text for text in texts if isinstance(text, str))
            named = {f: compaction.get(f) for f in ("start_timestamp", "end_timestamp")}
            drafter.compacted(summary or None, named)
        back_to, turns = text_of(actions.get("rewind_before_invocation_id")), list[str]()
        if back_to is not None:
            names = list(self._invocations)
            gone = names[names.index(back_to) :] if back_to in names else []
            turns = [turn for name in gone for turn in self._invocations[name]]
            drafter.verbatim("rewind", {"before": back_to, "superseded_turns": turns})
        delta = object_of(actions.get("state_delta"))
        drafter.patch(delta)
        if turns:
            drafter.take_back(turns[0])
        self.shared |= {n: value for n, value in delta.items() if scope_of(n) in ("app", "user")}
        if actions.get("requested_auth_configs"):
            drafter.tally.notes["credentials_dropped"] += 1

    def _use(self, event: Mapping[str, Any]) -> None:
        told = object_of(event.get("usage_metadata"))
        if told:
            self._drafter.used(
                Usage(
                    input_tokens=count_of(told.get("prompt_token_count")),
                    output_tokens=count_of(told.get("candidates_token_count")),
                    total_tokens=count_of(told.get("total_token_count")),
                    cached_tokens=count_of(told.get("cached_content_token_count")),
                    reasoning_tokens=count_of(told.get("thoughts_token_count")),
                )
            )

    def _fail(self, event: Mapping[str, Any], *, has_content: bool) -> None:
        code = text_of(event.get("error_code"))
        if code is None:
            return
        said = text_of(event.get("error_message"))
        if has_content:
            self._drafter.act(RuntimeNotice(level="error", text=said or code, meta={"code": code}))
            return
        self._in_turn(event)
        summary = None if said is None else said[:MAX_SUMMARY]
        self._drafter.fail(Failure(kind=name_of(code, "unknown"), summary=summary))

    def _keep(self, event: Mapping[str, Any], actions: Mapping[str, Any]) -> None:
        if event.keys() <= _KNOWN and actions.keys() <= _KNOWN_ACTIONS:
            return
        extra = {name: value for name, value in event.items() if name not in _KNOWN and value}
        more = {n: value for n, value in actions.items() if n not in _KNOWN_ACTIONS}
        if more:
            extra["actions"] = more
        if extra:
            self._drafter.verbatim("extra", extra)
