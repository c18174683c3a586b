"""What is allowed in adding a summary of what was said so far."""

from dataclasses import dataclass

from domain.checks import require_between, require_name
from domain.errors import Invalid, MessageNotFound, SummaryExists
from domain.replacing import replace
from domain.session.content.messages import require_known_message
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, SessionEvent, SummaryAdded
from domain.session.guards import require_present
from domain.session.state import Changes, Session
from domain.values import MAX_TOKENS, Identity

__all__ = ["AddSummary"]

MAX_SUMMARY_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSummary(Command):
    """Put what was said so far in short."""

    summary_id: Identity[str]
    text: str
    first_kept: str | None = None
    first_kept_at: int | None = None
    """Its sequence, where the caller has found it in the transcript."""
    tokens: int | None = None


@decides(AddSummary, refuses=(MessageNotFound, SummaryExists))
def add_summary(session: Session, command: AddSummary) -> list[SessionEvent]:
    """Add a summary; what is kept beside it begins with an entry of this session's transcript."""
    require_present(session)
    require_name(command.summary_id, "summary_id")
    if not command.text.strip():
        raise Invalid("text must not be blank", field="text")
    if len(command.text) > MAX_SUMMARY_CHARACTERS:
        raise Invalid(
            f"text has {len(command.text)} characters; at most {MAX_SUMMARY_CHARACTERS}",
            field="text",
        )
    require_between(command.tokens, "tokens", 0, MAX_TOKENS)
    if command.summary_id in session.description.summaries:
        raise SummaryExists(None, summary_id=command.summary_id)
    if command.first_kept is not None and command.first_kept_at is None:
        require_known_message(session, command.first_kept)
    return [
        SummaryAdded(
            summary_id=command.summary_id,
            text=command.text,
            first_kept=command.first_kept,
            tokens=command.tokens,
        )
    ]


@evolves(SummaryAdded)
def _summarised(session: Session, event: SummaryAdded, recorded: Recorded) -> Changes:
    summaries = session.description.summaries.put(event.summary_id, recorded.sequence)
    described = replace(
        session.description,
        summaries=summaries,
        summary=event,
        summary_since=recorded.sequence,
    )
    return {"description": described}
