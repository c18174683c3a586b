"""Why the program could not do what it was asked, beyond the refusals of the domain."""

from typing import Any, ClassVar


class ApplicationError(Exception):
    """Something that the caller can be told.

    Args:
        detail: One sentence for the person who reads it; the class docstring when absent.
        **facts: What helps to go on; JSON values.
    """

    code: ClassVar[str] = "failed"

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        self.detail = detail or (self.__doc__ or "").strip().split("\n")[0]
        self.facts = facts
        super().__init__(self.detail)


class StaleSequence(ApplicationError):
    """The session has moved on since the sequence named in If-Match; read it and decide again."""

    code = "stale_sequence"


class IdempotencyKeyReused(ApplicationError):
    """This Idempotency-Key was used with a different request; use a new key for a new request."""

    code = "idempotency_key_reused"


class IdempotencyKeyInFlight(ApplicationError):
    """A request with this Idempotency-Key is still being handled; try again in a moment."""

    code = "idempotency_key_in_flight"


class HookDenied(ApplicationError):
    """A hook of this server does not want this."""

    code = "hook_denied"


class HookFailed(ApplicationError):
    """A hook that must be asked could not answer; nothing of this request was stored. Try again."""

    code = "hook_failed"


class RecordTooLarge(ApplicationError):
    """An event is larger than the log takes."""

    code = "record_too_large"


class CursorAhead(ApplicationError):
    """The cursor is beyond the end of this log: it belongs to another store, or to a later backup.

    Read the snapshot again and go on from its sequence.
    """

    code = "cursor_ahead"


class WebhookNotFound(ApplicationError):
    """No webhook has this id."""

    code = "webhook_not_found"


class DeadLetterNotFound(ApplicationError):
    """This webhook has no dead letter with this number: it was delivered, or taken away."""

    code = "dead_letter_not_found"


class WebhookPaused(ApplicationError):
    """The webhook is paused, so nothing is sent to it; set its state to `active` first."""

    code = "webhook_paused"


class NothingToReplay(ApplicationError):
    """The webhook has not come as far as that; what is after it will be sent by itself."""

    code = "nothing_to_replay"


class WebhookTargetRefused(ApplicationError):
    """The URL is one that this server does not call."""

    code = "webhook_target_refused"


class InvalidCursor(ApplicationError):
    """The cursor is not one that this list gave out; start again without it."""

    code = "invalid_cursor"


class Busy(ApplicationError):
    """More commands are waiting than can be taken; try again in a moment."""

    code = "busy"


class StoreUnavailable(ApplicationError):
    """The database cannot be reached; nothing of this request was stored. Try again."""

    code = "store_unavailable"


class OutcomeUnknown(ApplicationError):
    """The database was lost while it was writing this request, which may or may not be stored.

    Send it again with the same Idempotency-Key, or read the session.
    """

    code = "outcome_unknown"


class VersionConflict(ApplicationError):
    """Another process wrote to the session first.

    `session_id` says which session, as a string, and `head` where it is.
    """

    code = "version_conflict"


class ScopeMoved(ApplicationError):
    """The shared state has moved on since the version that was expected; read it and decide again.

    `head` is the version it has.
    """

    code = "stale_scope"


class LeaseHeld(ApplicationError):
    """Somebody else drives the session; try again when they have let go, or the lease runs out."""

    code = "lease_held"


class KeysTaken(ApplicationError):
    """Idempotency keys of an append are already stored."""

    code = "keys_taken"

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__()
        self.keys = keys


class LogDamaged(ApplicationError):
    """The log has lost events that it once had; `cairn verify` and `cairn repair` say which."""

    code = "log_damaged"


class AuditKeyMissing(ApplicationError):
    """This server has no key to sign checkpoints with.

    Make one with `cairn audit keygen FILE`, and name it with CAIRN_AUDIT_KEY_FILE.
    """

    code = "audit_key_missing"


class BeyondTheLog(ApplicationError):
    """The log is shorter than that."""

    code = "beyond_the_log"
