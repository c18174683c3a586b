"""What a fork is made of: what another session said and knew after one of its events."""

from domain.persistent_map import PersistentMap
from domain.replacing import replace
from domain.session.guards import require_present
from domain.session.life.creation import CreateSession
from domain.session.state import ABSENT, Session, Spoken
from domain.session.work import Inputs, Interactions, TurnOutcome, Turns
from domain.values import Origin


def fork(origin: Session, command: CreateSession, source: Origin) -> CreateSession:
    """Return the command that begins a fork: described as its origin unless it says otherwise.

    Args:
        origin: The state of the other session at the sequence of the fork.
        command: What the caller wants to be different; the owner never is.
        source: Where it goes its own way.
    """
    require_present(origin)
    description = origin.description
    return replace(
        command,
        owner=origin.lifecycle.owner,
        title=command.title or description.title,
        tags=command.tags or description.tags,
        agent=command.agent or description.agent,
        metadata=command.metadata or description.metadata,
        permissions=command.permissions or origin.policy.rules,
        grants=origin.policy.grants,
        limits=command.limits or origin.lifecycle.limits,
        forked_from=source,
        ceiling=origin.policy.ceiling,
    )


def inherited(origin: Session) -> Session:
    """Return the state before the first event of a fork.

    What was said and known is there; what ran, waited or was counted belongs to the origin.

    Args:
        origin: Its state at the sequence of the fork.
    """
    return replace(
        ABSENT,
        messages=origin.messages,
        said=origin.said,
        spoken=Spoken(messages=origin.spoken.messages),
        state=origin.state,
        description=replace(origin.description, summaries=_summaries(origin)),
        turns=Turns(running=None, ended=_ended(origin), unanswered=origin.turns.unanswered),
        interactions=Interactions(decided=origin.interactions.decided),
        inputs=Inputs(ended=origin.inputs.ended),
    )


def _summaries(origin: Session) -> PersistentMap[int]:
    # Before the first event of the fork, which no rewind of it goes behind; in their order.
    summaries = origin.description.summaries.items()
    return PersistentMap({name: at - origin.sequence for name, at in summaries})


def _ended(origin: Session) -> PersistentMap[TurnOutcome]:
    # What the running turn has said is in the transcript: no other turn may have its id.
    running = origin.turns.running
    ended = origin.turns.ended
    return ended if running is None else ended.put(running.turn_id, "cancelled")
