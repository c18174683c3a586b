"""What a door may ask for, one file a topic."""

from collections.abc import Awaitable
from dataclasses import dataclass
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.use_cases.session.attachment import Attachments
from application.use_cases.session.children import Children
from application.use_cases.session.forks import Forks
from application.use_cases.session.presence import PresenceReports
from application.use_cases.session.profile import Profiles
from application.use_cases.session.sessions import Sessions
from application.use_cases.session.state import SharedStates
from application.use_cases.turn.endings import TurnEndings
from application.use_cases.turn.inputs import Inputs
from application.use_cases.turn.interactions import Interactions
from application.use_cases.turn.messages import Messages
from application.use_cases.turn.permissions import Permissions
from application.use_cases.turn.pieces import Pieces
from application.use_cases.turn.summaries import Summaries
from application.use_cases.turn.turns import Turns
from domain.session.commands import Command


@dataclass(frozen=True, slots=True)
class UseCases:
    """All that a door may ask for, by topic."""

    handler: CommandHandler
    attachments: Attachments
    children: Children
    forks: Forks
    inputs: Inputs
    interactions: Interactions
    messages: Messages
    permissions: Permissions
    pieces: Pieces
    presence: PresenceReports
    profiles: Profiles
    sessions: Sessions
    shared_states: SharedStates
    summaries: Summaries
    turn_endings: TurnEndings
    turns: Turns

    def do(self, caller: Caller, session_id: UUID, command: Command) -> Awaitable[Outcome]:
        """Do what a command says that needs no id, no clock and no check of its own.

        Args:
            caller: Who asks.
            session_id: To which session.
            command: What is asked.

        Raises:
            CairnError: A rule refuses it, or it cannot be done now, or not in this way.
        """
        return self.handler.handle(caller.asks(session_id, command))
