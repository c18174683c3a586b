"""The rules about tool calls: ask what they say."""

from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Caller
from application.errors import require_sequence
from domain.checks import require_name
from domain.permissions.permission_rules import Evaluation, evaluate
from domain.session.guards import require_present
from domain.values import JsonObject


class Judged(NamedTuple):
    """What the rules say of a tool call.

    Args:
        verdict: What would happen, and why.
        sequence: Of the session.
    """

    verdict: Evaluation
    sequence: int


class Permissions:
    """Judges tool calls.

    Args:
        repository: Loads the states of sessions.
    """

    def __init__(self, repository: SessionRepository) -> None:
        self._repository = repository

    async def evaluate(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        tool: str,
        arguments: JsonObject,
        read_only: bool,
    ) -> Judged:
        """Tell what would happen to a tool call and why; nothing is recorded.

        Args:
            caller: Who asks.
            session_id: Whose rules.
            tool: The name of the tool.
            arguments: What it would be called with.
            read_only: The tool says that it changes nothing.

        Raises:
            SessionNotFound: There is no such session.
            StaleSequence: It is at another sequence than the caller allows.
        """
        require_name(tool, "tool")
        session = (await self._repository.load(session_id)).session
        require_present(session)
        require_sequence(session.sequence, caller.expected)
        verdict = evaluate(
            session.policy.rules,
            tool=tool,
            arguments=arguments,
            read_only=read_only,
            tool_approval=session.policy.tool_approval,
        )
        return Judged(verdict, session.sequence)
