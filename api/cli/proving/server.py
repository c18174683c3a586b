"""How the server is asked what it has."""

import httpx

from api.cli.options import Failure


def get(client: httpx.Client, path: str) -> httpx.Response:
    """Return an answer.

    Args:
        client: Of the server.
        path: What is asked for.

    Raises:
        Failure: The server refuses.
    """
    answer = client.get(path)
    if answer.status_code != 200:
        raise refused(answer)
    return answer


def refused(answer: httpx.Response) -> Failure:
    """Return the failure that an answer tells of."""
    try:
        return Failure(str(answer.json()["detail"]))
    except (ValueError, KeyError):
        return Failure(f"The server answers {answer.status_code}.")
