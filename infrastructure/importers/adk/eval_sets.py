"""Eval sets of google-adk: each case of one is a conversation that was recorded."""

from collections.abc import Iterator, Mapping
from typing import Any

from infrastructure.importers.reading.values import list_of, object_of, text_of

_ANSWERS = "agent"


def is_eval_set(document: Mapping[str, Any]) -> bool:
    """Return whether a JSON file is such a set.

    Args:
        document: The object in it.
    """
    return isinstance(document.get("eval_cases"), list) and "eval_set_id" in document


def sessions_of_eval_set(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each case as the session that it was recorded from, as the JSON of one has it.

    What was recorded has no ids of events, no times but those of the invocations, and no changes of
    the state.

    Args:
        document: The set.
    """
    for number, value in enumerate(list_of(document["eval_cases"]), 1):
        case = object_of(value)
        began = object_of(case.get("session_input"))
        name = text_of(case.get("eval_id")) or f"case {number}"
        events = [
            event
            for invocation in list_of(case.get("conversation"))
            for event in _events_of(object_of(invocation))
        ]
        yield {
            "id": f"{text_of(document['eval_set_id']) or 'eval set'}/{name}",
            "app_name": began.get("app_name"),
            "user_id": began.get("user_id"),
            "state": began.get("state"),
            "events": events,
            "last_update_time": case.get("creation_timestamp"),
        }


def _events_of(invocation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    shared = {
        "invocation_id": invocation.get("invocation_id"),
        "timestamp": invocation.get("creation_timestamp"),
    }
    if invocation.get("user_content"):
        yield {**shared, "author": "user", "content": invocation["user_content"]}
    between, author = object_of(invocation.get("intermediate_data")), _ANSWERS
    for value in (*_of_older(between), *list_of(between.get("invocation_events"))):
        event = object_of(value)
        author = text_of(event.get("author")) or author
        yield {**shared, **event, "author": author}
    if invocation.get("final_response"):
        yield {**shared, "author": author, "content": invocation["final_response"]}


def _of_older(between: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what releases before those with events have kept of the work on an answer."""
    kinds = (("tool_uses", "function_call"), ("tool_responses", "function_response"))
    for name, kind in kinds:
        if found := list_of(between.get(name)):
            yield {"content": {"parts": [{kind: one} for one in found]}}
    for said in list_of(between.get("intermediate_responses")):
        pair = list_of(said)
        if len(pair) > 1 and (author := text_of(pair[0])) is not None:
            yield {"author": author, "content": {"parts": list_of(pair[1])}}
        else:
            yield {"said": said}
