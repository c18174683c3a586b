"""No session managers: where none is named, every session stays here."""
# ruff: noqa: ARG002 - there is nobody to give anything to

from collections.abc import Sequence

from application.ports.managers.session_managers import (
    Headers,
    ManagerAnswer,
    ManagerStream,
    ManagerUnreachable,
)


class NoSessionManagers:
    """Stands for none; see `application.ports.managers.session_managers.SessionManagers`."""

    @property
    def names(self) -> Sequence[str]:
        """None."""
        return ()

    @property
    def default(self) -> str | None:
        """None: sessions begin here."""
        return None

    async def ask(
        self,
        manager: str,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        seconds: float,
    ) -> ManagerAnswer:
        """Refuse: there is nobody to ask."""
        raise ManagerUnreachable(manager, "not-configured")

    async def open(
        self,
        manager: str,
        method: str,
        target: str,
        body: bytes,
        headers: Headers,
    ) -> ManagerStream:
        """Refuse: there is nobody to ask."""
        raise ManagerUnreachable(manager, "not-configured")

    async def close(self) -> None:
        """There is nothing to hang up."""
