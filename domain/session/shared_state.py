"""What is allowed with state: plain keys of the session, `app:` and `user:` keys that it shares."""

from collections.abc import Mapping
from typing import Any

from domain.errors import Invalid, TooMany
from domain.session.commands import PatchState
from domain.session.events import SessionEvent, StatePatched
from domain.session.guards import require_present
from domain.session.state import Session, own_keys, scope_of
from domain.values import MAX_STATE_KEYS, require_name

_ABSENT = object()


def patch(session: Session, command: PatchState) -> list[SessionEvent]:
    """Record what changes; keys that are `temp:`, or are already so, are left out."""
    require_present(session)
    require_state(command.set)
    for key in command.delete:
        require_name(key, "a state key")
        if key in command.set:
            raise Invalid(f"the key {key!r} is both set and deleted", field="delete")
    changed = {
        key: value
        for key, value in storable(command.set).items()
        if scope_of(key) != "session" or not _same(session.state.get(key, _ABSENT), value)
    }
    # A key named twice is deleted once: each write of an event has a place of its own in the log.
    deleted = tuple(
        key
        for key in dict.fromkeys(command.delete)
        if scope_of(key) in ("app", "user") or key in session.state
    )
    if not changed and not deleted:
        return []
    added = sum(key not in session.state for key in own_keys(changed))
    dropped = sum(key in session.state for key in deleted)
    if added and len(session.state) + added - dropped > MAX_STATE_KEYS:
        raise TooMany(f"a session's state has at most {MAX_STATE_KEYS} keys")
    return [StatePatched(set=changed, delete=deleted)]


def _same(old: Any, new: Any) -> bool:
    # In Python True == 1 == 1.0; in a log they are three different facts.
    return type(old) is type(new) and not isinstance(new, dict | list) and bool(old == new)


def storable(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that may be stored: all but `temp:`."""
    return {key: value for key, value in state.items() if scope_of(key) != "temp"}


def require_state(state: Mapping[str, Any]) -> None:
    """Refuse keys that are no names, or too many."""
    if len(state) > MAX_STATE_KEYS:
        raise Invalid(f"{len(state)} keys; at most {MAX_STATE_KEYS}", field="state")
    for key in state:
        require_name(key, "a state key")
