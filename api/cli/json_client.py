"""Asks a server one thing at a time, and takes its JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from api.cli.client_options import client_options, token_in
from api.cli.options import UsageError
from api.cli.refused import problem_of
from api.cli.unanswered import no_cairn, of_cairn, unanswered

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
        except msgspec.DecodeError:
            raise no_cairn(self._url) from None

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
        answer = self._answer(method, path, query, headers={"Accept": accept})
        of_cairn(self._url, answer, accept)
        return answer.text

    def _answer(
        self, method: str, path: str, query: Mapping[str, Any] | None, **rest: Any
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, params=query, **rest)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(self._url, error) from None
        except UnicodeEncodeError:
            # An argument of a command that is no UTF-8 has halves of characters in it.
            raise UsageError("What is asked for is not a text of UTF-8.") from None
        if not answer.is_success:
            raise problem_of(answer.status_code, answer.content)
        return answer
