"""Asks a server one thing at a time, and takes its JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from api.cli.client_options import client_options, token_in
from api.cli.options import Failure, UsageError
from api.cli.refused import Refused

_PATIENCE = 120.0


class JsonClient:
    """Asks a server.

    Args:
        url: Where it is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: The URL is none.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url = url
        self._client = httpx.Client(timeout=_PATIENCE, **client_options(url, token_in(token_file)))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return what the server says.

        Args:
            method: Of HTTP.
            path: With its leading slash.
            query: Its parameters.
            body: Sent as JSON.
            headers: Sent beside those that all have.

        Raises:
            Failure: It cannot be asked, or refuses.
            UsageError: What is asked for is no text.
        """
        answer = self._answer(method, path, query, json=body, headers=headers)
        try:
            return msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise self._unanswered(error) from None

    def text(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, *, accept: str
    ) -> str:
        """Return what the server says as it stands there.

        Args:
            method: Of HTTP.
            path: With its leading slash.
            query: Its parameters.
            accept: The media type that is wanted.

        Raises:
            Failure: It cannot be asked, or refuses.
        """
        return self._answer(method, path, query, headers={"Accept": accept}).text

    def _answer(
        self, method: str, path: str, query: Mapping[str, Any] | None, **rest: Any
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, params=query, **rest)
            if answer.is_success:
                return answer
            said = msgspec.json.decode(answer.content)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            raise self._unanswered(error) from None
        except UnicodeEncodeError:
            # An argument of a command that is no UTF-8 has halves of characters in it.
            raise UsageError("What is asked for is not a text of UTF-8.") from None
        raise Refused(said, answer.status_code)

    def _unanswered(self, error: Exception) -> Failure:
        said = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Failure(
                f"Nobody answers at {self._url} ({said}); start a server with `cairn serve`, or say"
                " with --url or CAIRN_URL where it is."
            )
        return Failure(f"The server at {self._url} cannot be asked: {said}.")
