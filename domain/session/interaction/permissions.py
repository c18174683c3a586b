"""What is allowed with the rules about tools: replaced whole, effective at once."""

from dataclasses import dataclass

from domain.errors import PermissionDenied
from domain.permissions.narrowing import require_approval_within, require_within
from domain.permissions.permission_rules import PermissionRules, require_rules
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    PermissionsReplaced,
    Recorded,
    SessionEvent,
    ToolApprovalDisabled,
    ToolApprovalEnabled,
)
from domain.session.guards import require_present
from domain.session.state import Changes, Session

__all__ = ["ReplacePermissions", "SwitchToolApproval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacePermissions(Command):
    """Set all rules."""

    permissions: PermissionRules


@decides(ReplacePermissions, refuses=(PermissionDenied,))
def replace_rules(session: Session, command: ReplacePermissions) -> list[SessionEvent]:
    """Set all rules; as they are already, nothing changes.

    What narrowed a child when it was spawned stays: its rules may be narrower, and again as wide
    as they were, but never wider.
    """
    require_present(session)
    require_rules(command.permissions)
    if command.permissions == session.policy.rules:
        return []
    require_within(session.policy.ceiling, command.permissions)
    return [PermissionsReplaced(permissions=command.permissions)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchToolApproval(Command):
    """Let tools be called without asking, or not."""

    enabled: bool


@decides(SwitchToolApproval, refuses=(PermissionDenied,))
def switch_tool_approval(session: Session, command: SwitchToolApproval) -> list[SessionEvent]:
    """Let tools be called without asking, or not; what narrowed a child is not switched off."""
    require_present(session)
    if command.enabled == session.policy.tool_approval:
        return []
    if command.enabled:
        require_approval_within(session.policy.ceiling)
    return [ToolApprovalEnabled() if command.enabled else ToolApprovalDisabled()]


@evolves(PermissionsReplaced)
def _replaced(session: Session, event: PermissionsReplaced, _: Recorded) -> Changes:
    return {"policy": replace(session.policy, rules=event.permissions)}


@evolves(ToolApprovalEnabled)
def _enabled(session: Session, _: ToolApprovalEnabled, __: Recorded) -> Changes:
    return {"policy": replace(session.policy, tool_approval=True)}


@evolves(ToolApprovalDisabled)
def _disabled(session: Session, _: ToolApprovalDisabled, __: Recorded) -> Changes:
    return {"policy": replace(session.policy, tool_approval=False)}
