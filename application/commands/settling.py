"""Giving each command of a batch its own answer, once it is known what became of the batch."""

from application.commands.decide_batch import DecidedBatch
from application.commands.idempotency import StoredAnswers
from application.commands.request import Outcome
from application.commands.session_queue import PendingCommand


class Settling:
    """Answers those who wait.

    Args:
        answers: What was answered before, by idempotency key.
    """

    def __init__(self, answers: StoredAnswers) -> None:
        self._answers = answers

    async def refuse(self, pending: PendingCommand, refusal: Exception) -> None:
        """Give the stored answer of the request if there is one, else the refusal.

        Args:
            pending: The request.
            refusal: Why not.
        """
        if not pending.done.done() and not await self.answer_again(pending):
            pending.refuse(refusal)

    async def answer_again(self, pending: PendingCommand) -> bool:
        """Give the answer that is stored for a request, or why there can be none.

        Args:
            pending: The request.

        Returns:
            False when none is stored.
        """
        try:
            replayed = await self._answers.replay(pending.request.idempotency)
        except Exception as error:  # noqa: BLE001 - the answer of this caller, not of the batch
            pending.refuse(error)
            return True
        if replayed is not None:
            pending.answer(replayed)
        return replayed is not None


def settle(decided: DecidedBatch) -> list[tuple[PendingCommand, Exception]]:
    """Answer those of a batch that were accepted, and return the others with why they were not.

    Args:
        decided: The batch, written.
    """
    before, after, session_id = decided.before, decided.after, decided.append.session_id
    refused: list[tuple[PendingCommand, Exception]] = []
    for decision in decided.decisions:
        if decision.refusal is not None:
            refused.append((decision.pending, decision.refusal))
            continue
        position = before.position
        if decision.after > before.session.sequence:
            position = after.position - (after.session.sequence - decision.after)
        decision.pending.answer(
            Outcome(session_id, decision.before + 1, decision.after, position, decision.answer)
        )
    return refused


def refuse_all(batch: list[PendingCommand], error: BaseException) -> None:
    """Give all of a batch the same answer.

    Args:
        batch: Those who wait.
        error: Why nothing is known to be written.
    """
    for pending in batch:
        pending.refuse(error)
