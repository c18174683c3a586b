"""From an access token to the JSON that may be read of it."""

from typing import Any

from application.ports.access.access_tokens import AccessToken
from domain.values import rfc3339


def token_document(token: AccessToken) -> dict[str, Any]:
    """Return what may be read of a token.

    Args:
        token: As it is kept.
    """
    expires, used = token.expires_at, token.last_used_at
    return {
        "id": token.token_id,
        "name": token.name,
        "allow": sorted(token.rights),
        "app": token.app,
        "user": token.user,
        "created_at": rfc3339(token.created_at),
        "expires_at": None if expires is None else rfc3339(expires),
        "last_used_at": None if used is None else rfc3339(used),
    }
