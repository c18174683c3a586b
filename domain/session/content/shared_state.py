"""What is allowed with state: plain keys of the session, `app:` and `user:` keys that it shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.checks import require_name
from domain.errors import Invalid, LimitReached, StaleState
from domain.log.canonical import digest_of
from domain.persistent_map import PersistentMap
from domain.scope.state_keys import own_keys, scope_of
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, SessionEvent, StatePatched
from domain.session.guards import require_present
from domain.session.state import Changes, Session
from domain.values import MAX_STATE_KEYS, JsonObject

__all__ = ["PatchState"]

_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState(Command):
    """Set and take away keys; `temp:` keys live in the caller only and are never stored.

    `expected` is the sequence of the last change of the state; None merges whatever it is.
    """

    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()
    expected: int | None = None


@decides(PatchState, refuses=(LimitReached, StaleState))
def patch(session: Session, command: PatchState) -> list[SessionEvent]:
    """Record what changes; keys that are `temp:`, or are already so, are left out."""
    require_present(session)
    require_patch(command.set, command.delete)
    if command.expected is not None and command.expected != session.state_version:
        raise StaleState(None, head=session.state_version)
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
    require_key_room(session, changed, deleted)
    return [StatePatched(set=changed, delete=deleted)]


def require_patch(given: Mapping[str, Any], delete: Sequence[str]) -> None:
    """Refuse a patch of what are no keys, or that sets and deletes one.

    Args:
        given: The keys to be set.
        delete: The keys to be taken away.

    Raises:
        Invalid: It makes no sense.
    """
    require_state(given, "set")
    for key in delete:
        _require_key(key, "delete")
        if key in given:
            raise Invalid(f"the key {key!r} is both set and deleted", field="delete")


def difference(
    now: Mapping[str, Any], then: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what has to be set and deleted to come from one state of plain keys to another.

    Args:
        now: The state as it is.
        then: The state as it is to be.
    """
    changed = {
        key: value
        for key, value in then.items()
        if key not in now or not (_same(now[key], value) or _equal(now[key], value))
    }
    return dict(sorted(changed.items())), tuple(sorted(key for key in now if key not in then))


def _same(old: Any, new: Any) -> bool:
    # In Python True == 1 == 1.0; in a log they are three different facts.
    return type(old) is type(new) and not isinstance(new, dict | list) and bool(old == new)


def _equal(old: Any, new: Any) -> bool:
    if old is new:
        return True
    nested = isinstance(old, dict | list) and isinstance(new, dict | list)
    return nested and digest_of(old) == digest_of(new)


def storable(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that may be stored: all but `temp:`."""
    return {key: value for key, value in state.items() if scope_of(key) != "temp"}


def require_state(state: Mapping[str, Any], field: str = "state") -> None:
    """Refuse keys that are no names, or too many.

    Args:
        state: The keys.
        field: Where they stand, for the refusal.

    Raises:
        Invalid: They cannot be stored.
    """
    if len(state) > MAX_STATE_KEYS:
        raise Invalid(f"{len(state)} keys; at most {MAX_STATE_KEYS}", field=field)
    for key in state:
        _require_key(key, field)


def _require_key(key: str, field: str) -> None:
    try:
        require_name(key, "a state key")
    except Invalid as wrong:
        raise Invalid(wrong.detail, field=field) from None


def require_key_room(session: Session, new: Mapping[str, Any], deleted: Sequence[str] = ()) -> None:
    """Refuse plain keys that would make the state larger than it may be.

    Args:
        session: Whose state.
        new: The keys to be set.
        deleted: The keys to be taken away.
    """
    added = sum(key not in session.state for key in own_keys(new))
    dropped = sum(key in session.state for key in deleted)
    if added and len(session.state) + added - dropped > MAX_STATE_KEYS:
        raise LimitReached(f"a session's state has at most {MAX_STATE_KEYS} keys")


@evolves(StatePatched)
def _patched(session: Session, event: StatePatched, recorded: Recorded) -> Changes:
    state = patched(session.state, event.set, event.delete)
    if state is session.state:
        return {}
    return {"state": state, "state_version": recorded.sequence}


def patched(
    state: PersistentMap[Any], given: Mapping[str, Any], delete: Sequence[str]
) -> PersistentMap[Any]:
    """Return plain keys after a patch; those of other scopes are passed over."""
    for key, value in own_keys(given).items():
        state = state.put(key, value)
    for key in delete:
        if scope_of(key) == "session":
            state = state.drop(key)
    return state
