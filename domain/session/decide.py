"""Which rule answers which command: `decide(state, command) -> events`.

An empty list means "already so": a retried command changes nothing. Refusing is raising a
`CairnError`.
"""

from collections.abc import Callable
from typing import Any

from domain.session import (
    activity,
    attachment,
    context,
    conversation,
    description,
    inputs,
    interactions,
    lifecycle,
    lineage,
    messages,
    permissions,
    repairs,
    shared_state,
    supervision,
    turns,
)
from domain.session import commands as c
from domain.session.events import SessionEvent
from domain.session.state import Session

_RULES: dict[type[Any], Callable[[Session, Any], list[SessionEvent]]] = {
    c.RecordActivity: activity.record,
    c.AddMessage: messages.add,
    c.ReviseMessage: messages.revise,
    c.StartTurn: turns.start,
    c.CompleteTurn: turns.complete,
    c.FailTurn: turns.fail,
    c.CancelTurn: turns.cancel,
    c.Interrupt: turns.interrupt,
    c.QueueInputs: turns.queue,
    c.DispatchInput: turns.dispatch,
    c.TakeInputs: inputs.take,
    c.EditInput: inputs.edit,
    c.PromoteInput: inputs.promote,
    c.CancelInput: inputs.cancel,
    c.RequestPermission: interactions.request,
    c.DecidePermission: interactions.decide,
    c.RequestElicitation: interactions.elicit,
    c.AnswerElicitation: interactions.answer,
    c.CancelInteraction: interactions.withdraw,
    c.PatchState: shared_state.patch,
    c.PatchScope: shared_state.patch_scope,
    c.CreateSession: lifecycle.create,
    c.ActivateSession: lifecycle.activate,
    c.FailStart: lifecycle.fail_start,
    c.StopSession: lifecycle.stop,
    c.ResumeSession: lifecycle.resume,
    c.DeleteSession: lifecycle.delete,
    c.ClearConversation: conversation.clear,
    c.RewindConversation: conversation.rewind,
    c.DescribeSession: description.describe,
    c.RecordUsage: description.record_usage,
    c.OverrideModel: description.override_model,
    c.AddSummary: description.add_summary,
    c.ReplacePermissions: permissions.replace_rules,
    c.SwitchToolApproval: permissions.switch_tool_approval,
    c.SpawnSession: lineage.spawn,
    c.ReapChild: lineage.reap,
    c.RestoreChild: lineage.count_again,
    c.AcquireAttachment: attachment.acquire,
    c.ReleaseAttachment: attachment.release,
    c.ReportHealth: supervision.report_health,
    c.ExpireDue: supervision.meet,
    c.RefreshProfile: context.refresh_profile,
    c.ReportContext: context.report,
    c.RepairSession: repairs.repair,
}


def decide(session: Session, command: c.Command) -> list[SessionEvent]:
    """Return what happens because of a command.

    Args:
        session: The newest state of the session, `ABSENT` before its first event.
        command: What is asked.

    Raises:
        CairnError: It is refused; nothing is recorded.
    """
    return _RULES[type(command)](session, command)
