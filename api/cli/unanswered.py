"""What is said of a server that gave no answer, or one that is none of Cairn's."""

import httpx

from api.cli.options import Failure

SEE_THE_URL = "see that --url or CAIRN_URL names a Cairn server, and that it runs"


def unanswered(url: str, error: Exception) -> Failure:
    """Return why a server cannot be asked, and what to do.

    Args:
        url: Where it is said to be.
        error: What came of asking it.
    """
    said = str(error).removesuffix(".") or type(error).__name__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Failure(
                f"Nobody answers at {url} ({said}); start a server with `cairn serve`, or say"
                " with --url or CAIRN_URL where it is."
            )
        case httpx.TimeoutException():
            return Failure(
                f"The server at {url} has not answered in time ({said}); its log may say why."
                " Run the command again when it answers."
            )
        case httpx.TransportError():
            return Failure(
                f"The connection to {url} broke before the whole answer came ({said});"
                f" {SEE_THE_URL}, then run the command again."
            )
        case _:
            return Failure(f"The server at {url} cannot be asked: {said}.")


def of_cairn(url: str, answer: httpx.Response, accept: str) -> None:
    """Look whether an answer that is a success has the form that was asked for.

    Args:
        url: Where the server is said to be.
        answer: Its content may be on its way.
        accept: The media type that was asked for; `*/*` is any.

    Raises:
        Failure: It has another form, as what other programs answer has.
    """
    found = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.is_success and accept not in ("*/*", found):
        raise no_cairn(url)


def no_cairn(url: str) -> Failure:
    """Return the failure of a server that is another program's.

    Args:
        url: Where it is.
    """
    return Failure(
        f"What answers at {url} is no Cairn server, or its answer was cut off; {SEE_THE_URL}."
    )
