"""Which commands of a batch are decided again when the batch could not be written.

Either the log has moved on from the state in memory, and all of them are; or some requests were
here before, or begin a session whose id is taken, and only the others are.
"""

from application.commands.decide_batch import DecidedBatch
from application.commands.repository import SessionRepository
from application.commands.session_queue import PendingCommand, put_back
from application.commands.settling import Settling
from application.errors import Busy, KeysTaken, ReceivedBefore, SignaturesSeen, VersionConflict
from domain.errors import CairnError, LogDamaged, SessionExists

ATTEMPTS = 50
"""How often a command is decided at most."""


class Retrying:
    """Makes commands ready to be decided again.

    Args:
        repository: Has the states that they are decided on.
        settling: Answers those that were answered before.
    """

    def __init__(self, repository: SessionRepository, settling: Settling) -> None:
        self._repository = repository
        self._settling = settling

    async def is_needed(self, decided: DecidedBatch, conflicts: list[int]) -> bool:
        """Return whether commands that make no events were decided on what is not known well.

        That is a state that the log has left behind, or one whose weight matters and is not known.

        Args:
            decided: What they came to.
            conflicts: The ends of the log that they were decided on in vain.
        """
        if decided.left and not decided.decisions:
            await self._repository.weigh(decided.append.session_id, decided.before)
            return True
        if await self._repository.is_newest(decided.append.session_id, decided.before):
            return False
        await self._look_again(decided, conflicts)
        return True

    async def left_of(
        self,
        batch: list[PendingCommand],
        decided: DecidedBatch,
        why: VersionConflict | KeysTaken | SignaturesSeen,
        conflicts: list[int],
    ) -> list[PendingCommand]:
        """Return what of a batch that was not written is decided again; answer the others.

        Args:
            batch: The commands.
            decided: What they came to.
            why: Why it was not written.
            conflicts: The ends of the log that they were decided on in vain.
        """
        match why:
            case VersionConflict():
                left = _without_taken_ids(decided, why) + decided.left
                await self._look_again(decided, conflicts)
            case KeysTaken():
                left = await self._answer_the_repeated(batch, why.keys)
            case SignaturesSeen():
                left = _without_repeated(batch, why.hashes)
        return put_back(left)

    async def _look_again(self, decided: DecidedBatch, conflicts: list[int]) -> None:
        conflicts.append(decided.before.session.sequence)
        # The second look at one end has found nothing new: the log may have been cut.
        anew = conflicts.count(conflicts[-1]) == 2
        await self._repository.refresh(decided.append.session_id, anew=anew)

    async def _answer_the_repeated(
        self, batch: list[PendingCommand], keys: frozenset[str]
    ) -> list[PendingCommand]:
        """Answer the requests whose keys are stored, and return the others."""
        others: list[PendingCommand] = []
        for pending in batch:
            idempotency = pending.request.idempotency
            is_repeated = idempotency is not None and idempotency.key in keys
            if not (is_repeated and await self._settling.answer_again(pending)):
                others.append(pending)
        return others


def never_done(conflicts: list[int]) -> CairnError:
    """Return why commands were not done, however often they were decided.

    Args:
        conflicts: The ends of the log that they were decided on in vain.
    """
    if conflicts and conflicts.count(conflicts[-1]) > ATTEMPTS // 2:
        # Another writer would have left events, and there are none.
        return LogDamaged(
            f"the log of this session ends at event {conflicts[-1]}, and the store keeps"
            " another end of it; `cairn repair SESSION --dry-run` says more"
        )
    return Busy("too many processes write to this session at once; try again")


def _without_taken_ids(decided: DecidedBatch, conflict: VersionConflict) -> list[PendingCommand]:
    """Refuse what would begin a session whose id another one has, and return the others."""
    taken = conflict.facts.get("session_id", str(decided.append.session_id))
    others: list[PendingCommand] = []
    for decision in decided.decisions:
        if taken in map(str, decision.begun):
            decision.pending.refuse(SessionExists("another session has the id of this child"))
        else:
            others.append(decision.pending)
    return others


def _without_repeated(
    batch: list[PendingCommand], hashes: frozenset[bytes]
) -> list[PendingCommand]:
    """Refuse the requests that were here before, and return the others."""
    others: list[PendingCommand] = []
    for pending in batch:
        signed = pending.request.signed
        if signed is not None and signed.hashed in hashes:
            pending.refuse(ReceivedBefore())
        else:
            others.append(pending)
    return others
