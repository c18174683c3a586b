"""Whose a state key is, by its prefix."""

from collections.abc import Mapping
from typing import Any, Literal


def scope_of(key: str) -> Literal["app", "user", "temp", "session"]:
    """Return whose a state key is, by its prefix.

    Args:
        key: Such as `theme`, `app:model`, `user:name` or `temp:draft`.
    """
    prefix, found, _ = key.partition(":")
    if found and prefix in ("app", "user", "temp"):
        return prefix  # type: ignore[return-value]
    return "session"


def own_keys(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys that belong to the session itself."""
    return {key: value for key, value in state.items() if scope_of(key) == "session"}
