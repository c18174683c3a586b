"""What a door may ask for, put together over a store."""

from api.composition.over_store import erased_over, partial_reader_over, readable_over
from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.scope_handler import ScopeHandler
from application.fan_out import FanOut
from application.partials.writer import PartialWriter
from application.ports.log.inspection import Inspector
from application.ports.schemas import Schemas
from application.ports.store import Store
from application.reads.queries import Queries
from application.reads.transcript.names import TranscriptNames
from application.use_cases import UseCases
from application.use_cases.examination import Examination
from application.use_cases.recovery import Recovery
from application.use_cases.repair import Repairs
from application.use_cases.session.attachment import Attachments
from application.use_cases.session.children import Children
from application.use_cases.session.forks import Forks
from application.use_cases.session.presence import PresenceReports
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


def attachments_over(store: Store, handler: CommandHandler) -> Attachments:
    """Return who lends sessions."""
    return Attachments(store.leases, readable_over(store), handler, store.clock)


def presence_over(store: Store, handler: CommandHandler) -> PresenceReports:
    """Return who takes signs of life."""
    return PresenceReports(store.presence, readable_over(store), handler)


def children_over(
    store: Store, repository: SessionRepository, handler: CommandHandler, queries: Queries
) -> Children:
    """Return who spawns sessions."""
    return Children(store.session_rows, store.codec, store.clock, repository, handler, queries)


def forks_over(
    store: Store, repository: SessionRepository, handler: CommandHandler, queries: Queries
) -> Forks:
    """Return who forks sessions."""
    names = TranscriptNames(repository, queries, store.codec)
    return Forks(store.clock, readable_over(store), names, repository, handler)


def pieces_over(
    store: Store,
    repository: SessionRepository,
    fan_out: FanOut,
    writer: PartialWriter,
    *,
    largest: int,
) -> Pieces:
    """Return who takes pieces of messages."""
    reader = partial_reader_over(store, fan_out)
    return Pieces(repository, reader, writer, store.announcer, fan_out, largest=largest)


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
    asked = AskedBefore(repository, store.log, store.codec)
    forks = forks_over(store, repository, handler, queries)
    return UseCases(
        handler=handler,
        attachments=attachments_over(store, handler),
        children=children_over(store, repository, handler, queries),
        forks=forks,
        inputs=Inputs(handler, clock),
        interactions=Interactions(repository, handler, clock, schemas, asked),
        messages=Messages(handler, clock, names),
        permissions=Permissions(repository),
        pieces=pieces_over(store, repository, fan_out, writer, largest=largest),
        presence=presence_over(store, handler),
        profiles=Profiles(handler),
        sessions=Sessions(handler, clock, forks),
        shared_states=SharedStates(scope_handler),
        summaries=Summaries(handler, clock, names),
        turn_endings=TurnEndings(repository, handler),
        turns=Turns(handler, clock),
    )


def repairs_over(
    store: Store,
    inspector: Inspector,
    repository: SessionRepository,
    handler: CommandHandler,
    sessions: Sessions,
    recovery: Recovery,
) -> Repairs:
    """Return who repairs sessions.

    Args:
        store: Where they are.
        inspector: Reads their logs as they lie there.
        repository: Folds states.
        handler: Appends.
        sessions: Resumes.
        recovery: Says what becomes of a session that was left behind.
    """
    examination = Examination(inspector, store.codec, erased_over(store), repository, recovery)
    return Repairs(examination, store.log, store.codec, store.clock, repository, handler, sessions)
