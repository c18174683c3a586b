"""Why the program could not do what it was asked, beyond the refusals of the domain."""

from collections.abc import Mapping

from application.ports.session.session_row import Hold
from domain.errors import (
    AtLimit,
    Conflict,
    Damaged,
    Denied,
    Invalid,
    Malformed,
    NotFound,
    Overtaken,
    Stale,
    TooLarge,
    Unauthenticated,
    Unavailable,
)


class Unauthorized(Unauthenticated):
    """This token lets nobody in."""


class StaleSequence(Stale):
    """The session has moved on since the sequence named in If-Match; read it and decide again."""


def require_sequence(head: int, expected: frozenset[int] | None) -> None:
    """Refuse what is meant for another sequence of a session.

    Args:
        head: The sequence that it is at.
        expected: The sequences that the caller allows; None allows any.

    Raises:
        StaleSequence: It is at none of these.
    """
    if expected is None or head in expected:
        return
    if expected and min(expected) > head:
        raise StaleSequence(
            f"The session ends at event {head}, before the sequence named in If-Match: an earlier"
            " backup was restored, or the sequence is of another store. Read the session from its"
            " beginning and decide again.",
            head=head,
        )
    raise StaleSequence(None, head=head)


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used with a different request; use a new key for a new request."""


class IdempotencyKeyInFlight(Conflict):
    """A request with this Idempotency-Key is still being handled; try again in a moment."""


class Forbidden(Denied):
    """The key is shared by all users of the app, and this token is for one of them."""


class HookDenied(Denied):
    """A hook of this server does not want this."""


class HookFailed(Unavailable):
    """A hook that must be asked could not answer; nothing of this request was stored. Try again."""


class RecordTooLarge(TooLarge):
    """An event is larger than the log takes."""


class PieceMisplaced(Conflict):
    """The piece does not follow what there is of its message; go on from `expected`."""


class PartialTooLarge(TooLarge):
    """The message that is being written is larger than one that is recorded may be."""


class CursorAhead(Conflict):
    """The cursor is beyond the end of this log: it belongs to another store, or to a later backup.

    Read the snapshot again and go on from its sequence.
    """


class BeforeFirstEvent(NotFound):
    """The session had not begun at that time; its first event is of `begun_at`."""


class StoreReplaced(Conflict):
    """The cursor belongs to another store, or to this one before a backup of it was restored.

    Read the snapshot again and go on from its sequence, and from the `store` that it names.
    """


class ReportOutdated(Conflict):
    """The session is not what it was when this report was made; look at the new one in `report`."""


class RepairBlocked(Conflict):
    """The session has damage that a repair cannot close; `report` says what it is and what to do.

    Without `repair=true` it is resumed as it is.
    """


class RateLimited(AtLimit):
    """Your token has asked for as much as it may in this time; try again later."""


class TooManyTickets(AtLimit):
    """Your token has as many tickets as it may; use them, or wait a minute."""


class ArtifactsFull(TooLarge):
    """The artifacts of a session, or of a user, would be larger than they may be; delete some."""


class IssuerUnavailable(Unavailable):
    """The keys of the issuer of this token cannot be read now; try again."""


class BlobNotFound(NotFound):
    """There is no blob of this name here."""


class BlobNamed(Conflict):
    """A session names this blob; it goes with the last one that does."""


class BlobMissing(Invalid):
    """A part names a blob that is not there; send its bytes first."""


class BlobTooLarge(TooLarge):
    """The blob is larger than one may be."""


class BlobDamaged(Damaged):
    """The stored bytes of this blob are not those that were sent."""


class DigestMismatch(Invalid):
    """What came is not what its SHA-256 says; nothing was kept. Send it again."""


class TokenNotFound(NotFound):
    """No access token has this id."""


class WebhookNotFound(NotFound):
    """No webhook has this id."""


class DeadLetterNotFound(NotFound):
    """This webhook has no dead letter with this number: it was delivered, or taken away."""


class WebhookPaused(Conflict):
    """The webhook is paused, so nothing is sent to it; set its state to `active` first."""


class NothingToReplay(Conflict):
    """The webhook has not come as far as that; what is after it will be sent by itself."""


class WebhookTargetRefused(Invalid):
    """The URL is one that this server does not call."""


class InvalidCursor(Malformed):
    """The cursor is not one of this list as it is now; start again without it."""


class Busy(AtLimit):
    """More commands are waiting than can be taken; try again in a moment."""


class Overloaded(Unavailable):
    """This server uses all the memory that it may for this; nothing was stored. Try again."""


class StateTooLarge(TooLarge):
    """The session's state is as large as it may be; take keys away, or clear it."""


class StoreUnavailable(Unavailable):
    """The database cannot be reached; nothing of this request was stored. Try again."""


class OutcomeUnknown(Unavailable):
    """The database was lost while it was writing this request, which may or may not be stored.

    Send it again with the same Idempotency-Key, or read the session.
    """


class VersionConflict(Overtaken):
    """Another process wrote to the session first.

    `session_id` says which session, as a string, and `head` where it is.
    """


class StaleScope(Stale):
    """The shared state has moved on since the version that was expected; read it and decide again.

    `head` is the version it has.
    """


class LeaseHeld(Conflict):
    """Somebody else drives the session; try again when they have let go, or the lease runs out."""


class KeysTaken(Overtaken):
    """Idempotency keys of an append are already stored."""

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__()
        self.keys = keys


class SignaturesSeen(Overtaken):
    """Signatures of an append are those of other requests."""

    def __init__(self, hashes: frozenset[bytes]) -> None:
        super().__init__()
        self.hashes = hashes


class ReceivedBefore(Overtaken):
    """This request was received already; sign it anew."""


class SessionHeld(Conflict):
    """Nothing can be appended to this session: it is being imported, or in quarantine."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(_HELD[hold], reason=hold)


_HELD: Mapping[Hold, str] = {
    "import": (
        "this session is still being imported; try again when that is done, or run the import"
        " again if it was ended half-way"
    ),
    "quarantine": (
        "this session is in quarantine, because its log was damaged when it was imported; it can"
        " be read, and forked before the damage"
    ),
}


class NotErased(Conflict):
    """The session is not erased, so there is nothing to prove."""


class ImportRefused(Conflict):
    """Some of this cannot be imported, so nothing of it was; `conflicts` say what and why."""


class NotAnExport(Invalid):
    """This is no export that can be imported."""


class AuditKeyMissing(NotFound):
    """This server has no key to sign checkpoints with.

    Make one with `cairn audit keygen FILE`, and name it with CAIRN_AUDIT_KEY_FILE.
    """


class BeyondTheLog(Conflict):
    """The log is shorter than that."""
