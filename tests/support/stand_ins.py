"""What does a part of a port's work in its place, also for those who have the port already."""

from types import SimpleNamespace
from typing import Any


class StandIn:
    """Does what its class defines; the rest is still done by the port.

    Args:
        port: In whose place; `before` has what it did until now.
    """

    def __init__(self, port: Any) -> None:
        self._port = port
        self._taken = [
            name for name in vars(type(self)) if not name.startswith("_") and hasattr(port, name)
        ]
        assert self._taken, f"{type(self).__name__} does nothing that {type(port).__name__} does"
        self.before = SimpleNamespace(**{name: getattr(port, name) for name in self._taken})
        for name in self._taken:
            setattr(port, name, getattr(self, name))

    def step_aside(self) -> None:
        """Let the port do all of its work again."""
        for name in self._taken:
            setattr(self._port, name, getattr(self.before, name))
