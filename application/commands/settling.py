"""Giving each command of a batch its own answer, once it is known what became of the batch."""

from uuid import UUID

from application.commands.decide_batch import DecidedBatch
from application.commands.idempotency import StoredAnswers
from application.commands.request import Outcome
from application.commands.session_queue import PendingCommand
from application.errors import ReceivedBefore, VersionConflict
from domain.errors import SessionExists


class Settling:
    """Answers those who wait.

    Args:
        answers: What was answered before, by idempotency key.
    """

    def __init__(self, answers: StoredAnswers) -> None:
        self._answers = answers

    async def settle(self, session_id: UUID, decided: DecidedBatch) -> None:
        """Answer all of a batch.

        Args:
            session_id: To which session they were.
            decided: The batch, written.
        """
        before, after = decided.before, decided.after
        for decision in decided.decisions:
            if decision.refusal is not None:
                await self._refuse(decision.pending, decision.refusal)
                continue
            position = before.position
            if decision.after > before.session.sequence:
                position = after.position - (after.session.sequence - decision.after)
            decision.pending.answer(
                Outcome(session_id, decision.before + 1, decision.after, position, decision.answer)
            )

    async def _refuse(self, pending: PendingCommand, refusal: Exception) -> None:
        """Give the answer that is stored for the request, if there is one, and else say why not."""
        if pending.done.done():
            return
        try:
            replayed = await self._answers.replay(pending.request.idempotency)
        except Exception as error:  # noqa: BLE001 - the answer of this caller, not of the batch
            pending.refuse(error)
            return
        if replayed is None:
            pending.refuse(refusal)
        else:
            pending.answer(replayed)

    async def answer_the_repeated(
        self, batch: list[PendingCommand], keys: frozenset[str]
    ) -> list[PendingCommand]:
        """Answer the requests whose keys are stored, and return the others.

        Args:
            batch: The requests.
            keys: Those that are stored.
        """
        others: list[PendingCommand] = []
        for pending in batch:
            idempotency = pending.request.idempotency
            if idempotency is None or idempotency.key not in keys:
                others.append(pending)
                continue
            try:
                replayed = await self._answers.replay(pending.request.idempotency)
            except Exception as error:  # noqa: BLE001 - the answer of this caller, not of the batch
                pending.refuse(error)
                continue
            if replayed is None:
                others.append(pending)
            else:
                pending.answer(replayed)
        return others


def without_taken_ids(
    session_id: UUID, decided: DecidedBatch, conflict: VersionConflict
) -> list[PendingCommand]:
    """Refuse what would begin a session whose id another one has, and return the others.

    Args:
        session_id: To which session the commands were.
        decided: The batch that was not written.
        conflict: Why not.
    """
    taken = conflict.facts.get("session_id", str(session_id))
    others: list[PendingCommand] = []
    for decision in decided.decisions:
        if taken in map(str, decision.begun):
            decision.pending.refuse(SessionExists("another session has the id of this child"))
        else:
            others.append(decision.pending)
    return others


def without_repeated(batch: list[PendingCommand], hashes: frozenset[bytes]) -> list[PendingCommand]:
    """Refuse the requests that were here before, and return the others.

    Args:
        batch: The requests.
        hashes: Of the signatures that are kept.
    """
    others: list[PendingCommand] = []
    for pending in batch:
        signed = pending.request.signed
        if signed is not None and signed.hashed in hashes:
            pending.refuse(ReceivedBefore())
        else:
            others.append(pending)
    return others


def refuse_all(batch: list[PendingCommand], error: BaseException) -> None:
    """Give all of a batch the same answer.

    Args:
        batch: Those who wait.
        error: Why nothing is known to be written.
    """
    for pending in batch:
        pending.refuse(error)
