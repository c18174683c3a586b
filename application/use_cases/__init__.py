"""What a door may ask for, one file a topic."""

from collections.abc import Awaitable
from dataclasses import dataclass
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.commands.scope_handler import ScopeHandler
from application.fan_out import FanOut
from application.partials.writer import PartialWriter
from application.ports.schemas import Schemas
from application.ports.store import Store
from application.reads.queries import Queries
from application.reads.transcript.names import TranscriptNames
from application.use_cases.session.attachment import Attachments
from application.use_cases.session.lineage import Lineages
from application.use_cases.session.presence import Presence
from application.use_cases.session.profile import Profiles
from application.use_cases.session.sessions import Sessions
from application.use_cases.session.state import SharedStates
from application.use_cases.turn.asked_before import AskedBefore
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
    inputs: Inputs
    interactions: Interactions
    lineages: Lineages
    messages: Messages
    permissions: Permissions
    pieces: Pieces
    presence: Presence
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


def use_cases_over(
    store: Store,
    repository: SessionRepository,
    handler: CommandHandler,
    scope_handler: ScopeHandler,
    fan_out: FanOut,
    queries: Queries,
    schemas: Schemas,
    writer: PartialWriter,
    *,
    largest: int = 1024 * 1024,
) -> UseCases:
    """Return all use cases.

    Args:
        store: Where everything is.
        repository: Loads the states of sessions.
        handler: Handles commands.
        scope_handler: Handles patches of shared scopes.
        fan_out: Who hears of pieces here.
        queries: Says which sessions can be read.
        schemas: Judges the schemas of forms, and what was filled in.
        writer: Keeps what is being written.
        largest: The most bytes of one message.
    """
    clock = store.clock
    names = TranscriptNames(repository, queries, store.codec)
    lineages = Lineages(store, repository, handler, queries)
    return UseCases(
        handler=handler,
        attachments=Attachments(store, handler),
        inputs=Inputs(handler, clock),
        interactions=Interactions(
            repository, handler, clock, schemas, AskedBefore(repository, store.log, store.codec)
        ),
        lineages=lineages,
        messages=Messages(handler, clock, names),
        permissions=Permissions(repository),
        pieces=Pieces(store, repository, fan_out, writer, largest=largest),
        presence=Presence(store, handler),
        profiles=Profiles(handler),
        sessions=Sessions(handler, clock, lineages),
        shared_states=SharedStates(scope_handler),
        summaries=Summaries(handler, clock, names),
        turn_endings=TurnEndings(repository, handler),
        turns=Turns(handler, clock),
    )
