"""What is allowed with the keys that sessions share."""

from dataclasses import dataclass, field
from typing import Any

from domain.checks import require_name, require_summary
from domain.errors import Invalid, SessionExists
from domain.scope.events import ScopeErased, ScopeEvent, ScopeOpened
from domain.scope.state import Scope
from domain.scope.state_keys import scope_of
from domain.session.content.shared_state import require_patch
from domain.session.events import StatePatched
from domain.values import Identity, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchScope:
    """Set and take away keys that sessions share, without going through one of them."""

    app: Identity[str]
    user: Identity[str | None] = None
    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseScope:
    """Erase the keys of one user of an app, with their history.

    Args:
        app: The app.
        user: The user.
        reason: Why; it stays for ever, so it names no person.
    """

    app: Identity[str]
    user: Identity[str]
    reason: str


def erase(scope: Scope, command: EraseScope) -> list[ScopeEvent]:
    """Return what happens because of an erasure; without anything new it is already so.

    Args:
        scope: The newest state of the scope.
        command: What is asked.

    Raises:
        SessionExists: A session has the id of the scope's log.
    """
    require_name(command.app, "app")
    require_name(command.user, "user")
    require_summary(command.reason, "reason")
    if scope.sequence and scope.opened is None:
        if scope.erased:
            return []
        raise SessionExists("a session has the id of this scope's log")
    return [ScopeErased(app=command.app, reason=command.reason)]


def decide(scope: Scope, command: PatchScope) -> list[ScopeEvent]:
    """Return what happens because of a patch; the first one opens the scope.

    It does not compare with what is there: sessions write to the scope too.

    Args:
        scope: The newest state of the scope.
        command: What is asked.

    Raises:
        Invalid: A name or a key is none, or is not of this scope.
        SessionExists: A session has the id of the scope's log.
    """
    kind = "app" if command.user is None else "user"
    require_name(command.app, "app")
    require_name(command.user, "user")
    require_patch(command.set, command.delete)
    for key in (*command.set, *command.delete):
        if scope_of(key) != kind:
            raise Invalid(f"the key {key!r} must begin with `{kind}:` here", field="set")
    deleted = tuple(dict.fromkeys(command.delete))
    if not command.set and not deleted:
        return []
    patched = StatePatched(set=command.set, delete=deleted)
    if scope.opened is not None:
        return [patched]
    if scope.sequence and not scope.erased:
        raise SessionExists("a session has the id of this scope's log")
    return [ScopeOpened(app=command.app, user=command.user), patched]
