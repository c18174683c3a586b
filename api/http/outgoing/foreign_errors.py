"""What doors with an error body of their own say of a request that raised."""

from typing import NamedTuple

from litestar.exceptions import MethodNotAllowedException, NotFoundException

from api.http.outgoing.problems import told_of


class ForeignError(NamedTuple):
    """An error as a door tells it in its own shape.

    Args:
        status: The HTTP status.
        detail: One sentence.
        headers: Of the answer.
    """

    status: int
    detail: str
    headers: dict[str, str]


def foreign_error(error: Exception, request_id: str, *, challenge: bool = True) -> ForeignError:
    """Return what is said of an error that a door has no words of its own for.

    Args:
        error: What went wrong.
        request_id: Of the request, for the log.
        challenge: Whether a refused request is told that a bearer token lets it in.
    """
    problem, status, headers = told_of(error, request_id)
    if not challenge:
        headers.pop("WWW-Authenticate", None)
    detail = problem.detail
    match error:
        case NotFoundException():
            detail = "Not Found"
        case MethodNotAllowedException():
            detail = "Method Not Allowed"
        case _ if status == 500:
            detail = "Internal Server Error"
        case _:
            pass
    return ForeignError(status, detail, headers)
