"""What is allowed with the rules about tools: replaced whole, effective at once."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.permission_rules import require_rules
from domain.replacing import replace
from domain.session.commands import ReplacePermissions, SwitchToolApproval
from domain.session.events import (
    PermissionsReplaced,
    Recorded,
    SessionEvent,
    ToolApprovalDisabled,
    ToolApprovalEnabled,
)
from domain.session.guards import require_present
from domain.session.state import Changes, Session


def replace_rules(session: Session, command: ReplacePermissions) -> list[SessionEvent]:
    """Set all rules; as they are already, nothing changes."""
    require_present(session)
    require_rules(command.permissions)
    if command.permissions == session.policy.rules:
        return []
    return [PermissionsReplaced(permissions=command.permissions)]


def switch_tool_approval(session: Session, command: SwitchToolApproval) -> list[SessionEvent]:
    """Let tools be called without asking, or not."""
    require_present(session)
    if command.enabled == session.policy.tool_approval:
        return []
    return [ToolApprovalEnabled() if command.enabled else ToolApprovalDisabled()]


# ── what the events do ───────────────────────────────────────────────────────────────────────


def _replaced(session: Session, event: PermissionsReplaced, _: Recorded) -> Changes:
    return {"policy": replace(session.policy, rules=event.permissions)}


def _enabled(session: Session, _: ToolApprovalEnabled, __: Recorded) -> Changes:
    return {"policy": replace(session.policy, tool_approval=True)}


def _disabled(session: Session, _: ToolApprovalDisabled, __: Recorded) -> Changes:
    return {"policy": replace(session.policy, tool_approval=False)}


EFFECTS: Mapping[type[Any], Callable[[Session, Any, Recorded], Changes]] = {
    PermissionsReplaced: _replaced,
    ToolApprovalEnabled: _enabled,
    ToolApprovalDisabled: _disabled,
}
