"""What a server says no with."""

import msgspec


class Refused(Exception):
    """The server has understood, and says no; asking again is of no use.

    Args:
        status: Of the answer.
        code: The stable word of the problem.
        detail: What was wrong.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail or code} ({status})")
        self.status = status
        self.code = code


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""


def refusal_of(status: int, content: bytes) -> Refused | None:
    """Return what a server says no with; None when it says yes."""
    return None if status < 400 else problem_of(status, content)


def problem_of(status: int, content: bytes) -> Refused:
    """Return what a server says no with.

    Args:
        status: Of the answer.
        content: Of the answer: a problem, or what is no answer of Cairn.
    """
    try:
        problem = msgspec.json.decode(content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(detail="this is no answer of Cairn")
    return Refused(status, problem.code, problem.detail)
