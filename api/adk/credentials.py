"""What is secret in events of google-adk, and taken out before they are kept."""

import re
from collections.abc import Mapping
from typing import Any, cast

CREDENTIAL = "adk_request_credential"
_SECRETS = frozenset(
    {
        *("password", "token", "additionalHeaders", "clientSecret", "authResponseUri"),
        *("authCode", "accessToken", "refreshToken", "idToken", "codeVerifier", "privateKeyId"),
        *("privateKey", "apiKey"),
    }
)
_SECRET_NAMES = _SECRETS | {re.sub(r"([A-Z])", r"_\1", one).lower() for one in _SECRETS}


def without_secrets(record: dict[str, Any]) -> dict[str, Any]:
    """Return an event without credentials, in place where it has none.

    Args:
        record: An event.
    """
    actions = record["actions"]
    if actions["requestedAuthConfigs"]:
        actions["requestedAuthConfigs"] = _stripped(actions["requestedAuthConfigs"])
    content: dict[str, Any] = record.get("content") or {}
    parts: list[dict[str, Any]] = content.get("parts") or []
    for part in parts:
        for kind, field in (("functionCall", "args"), ("functionResponse", "response")):
            told: dict[str, Any] = part.get(kind) or {}
            if field in told:
                named = told.get("name") == CREDENTIAL
                told[field] = _stripped(told[field]) if named else _guarded(told[field])
    return record


def _stripped(value: Any) -> Any:
    """Return a value without what is secret in the description of a credential."""
    if isinstance(value, Mapping):
        told = cast("Mapping[str, Any]", value)
        return {k: _stripped(v) for k, v in told.items() if k not in _SECRET_NAMES}
    if isinstance(value, list):
        return [_stripped(item) for item in cast("list[Any]", value)]  # type: ignore[redundant-cast]
    return value


def _guarded(value: Any) -> Any:
    """Return a value in which what says that it is a credential is without its secrets."""
    if isinstance(value, Mapping):
        told = cast("Mapping[str, Any]", value)
        if "authType" in told or "auth_type" in told:
            return _stripped(told)
        return {key: _guarded(item) for key, item in told.items()}
    if isinstance(value, list):
        return [_guarded(item) for item in cast("list[Any]", value)]  # type: ignore[redundant-cast]
    return value
