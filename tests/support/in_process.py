"""The command `cairn` in this process: quicker than a program of its own, and seen by debuggers."""

from collections.abc import Callable

import pytest

from api.cli import main

Run = Callable[..., tuple[int, str, str]]
"""Takes arguments; returns the exit status, standard output and standard error."""


def status_of(*arguments: object) -> int:
    """Run the command, and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def said_by(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command, and return its exit status and what it printed."""
    status = status_of(*arguments)
    return (status, *capsys.readouterr())
