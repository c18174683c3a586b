"""From events to the rows of the keys that sessions share."""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

from application.errors import Forbidden
from application.ports.log.codec import Codec
from application.ports.session.shared_state import SharedWrite
from domain.scope.state_keys import scope_of
from domain.session.content.key_writes import NO_WRITES, key_writes

_SCOPES = uuid5(NAMESPACE_URL, "cairn:scopes")


def app_scope(app: str) -> UUID:
    """Return the id of the scope of `app:` keys, and of its own log."""
    return uuid5(_SCOPES, f"app:{app}")


def user_scope(app: str, user: str) -> UUID:
    """Return the id of the scope of `user:` keys, of one user within one app."""
    return uuid5(_SCOPES, f"user:{len(app)}:{app}:{user}")


def scope_id(app: str, user: str | None) -> UUID:
    """Return the id of a shared scope, and of its own log.

    Args:
        app: The app.
        user: None for the keys of the app.
    """
    return app_scope(app) if user is None else user_scope(app, user)


def shared_writes(
    app: str, user: str | None, event: object, offset: int, codec: Codec
) -> Sequence[SharedWrite]:
    """Return what an event writes to the scopes that sessions share.

    Args:
        app: Of the log that the event is in.
        user: Of that log; None for the log of an app's scope.
        event: Any event.
        offset: The index of the event in its append.
        codec: Makes the stored values.
    """
    written = key_writes(event)
    if written is NO_WRITES:
        return ()
    writes: list[SharedWrite] = []
    for key, value in written.set.items():
        if (scope := _scope(app, user, key)) is not None:
            writes.append(SharedWrite(scope, key, codec.to_json(value), offset))
    writes += (
        SharedWrite(scope, key, None, offset)
        for key in written.delete
        if (scope := _scope(app, user, key)) is not None
    )
    return writes


def require_own(writes: Sequence[SharedWrite]) -> None:
    """Refuse to let one user of an app set what all of its users share.

    Args:
        writes: To scopes that sessions share.

    Raises:
        Forbidden: One is to a key of the app.
    """
    for write in writes:
        if scope_of(write.key) == "app":
            raise Forbidden(
                f"the key {write.key[:200]!r} is shared by all users of the app; this token is for"
                " one of them, and does not allow `share`",
                right="share",
            )


def _scope(app: str, user: str | None, key: str) -> UUID | None:
    match scope_of(key):
        case "app":
            return app_scope(app)
        case "user" if user is not None:
            return user_scope(app, user)
        case _:
            return None
