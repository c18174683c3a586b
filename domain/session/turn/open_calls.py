"""The open tool calls of a turn: each knows its neighbours in the order in which they began.

So which of thousands began last is known at once, whichever of them returns.
"""

from domain.persistent_map import PersistentMap
from domain.replacing import replace
from domain.session.work import ToolCall, Turn, TurnChanges


def with_call(turn: Turn, call: ToolCall) -> TurnChanges:
    """Return what a call that begins changes: it is the newest.

    Args:
        turn: The turn.
        call: The call, without neighbours. An open one of its id, as only logs from elsewhere
            have it, is open no more.
    """
    calls, newest = turn.open_calls, turn.newest_call
    if call.tool_call_id in calls:
        calls, newest = _without(calls, newest, call.tool_call_id)
    if newest is not None:
        calls = calls.put(newest, replace(calls[newest], after=call.tool_call_id))
        call = replace(call, before=newest)
    return {"open_calls": calls.put(call.tool_call_id, call), "newest_call": call.tool_call_id}


def without_call(turn: Turn, tool_call_id: str) -> TurnChanges:
    """Return what the end of a call changes; one that is not open changes nothing.

    Args:
        turn: The turn.
        tool_call_id: Of the call.
    """
    calls, newest = _without(turn.open_calls, turn.newest_call, tool_call_id)
    return {"open_calls": calls, "newest_call": newest}


def _without(
    calls: PersistentMap[ToolCall], newest: str | None, tool_call_id: str
) -> tuple[PersistentMap[ToolCall], str | None]:
    call = calls.get(tool_call_id)
    if call is None:
        return calls, newest
    calls = calls.drop(tool_call_id)
    if call.before is not None:
        calls = calls.put(call.before, replace(calls[call.before], after=call.after))
    if call.after is None:
        return calls, call.before
    return calls.put(call.after, replace(calls[call.after], before=call.before)), newest
