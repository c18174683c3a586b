"""The server as exports and imports need it: bodies of any length, both ways."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from api.cli.client_options import client_options, token_in
from api.cli.options import Failure
from api.cli.refused import problem_of
from api.cli.unanswered import of_cairn, unanswered

_CONNECT = 15.0
_SILENCE = 3600.0
"""Seconds for which a server may say nothing while it looks through what it was sent."""


class Answer:
    """An answer that is read as it comes.

    Args:
        response: What the server says.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces = self._taken()
        self._rest = b""

    def pieces(self) -> Iterator[bytes]:
        """Give its bytes.

        Raises:
            Failure: The connection broke.
        """
        return self._pieces

    def _taken(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except httpx.HTTPError:
            raise Failure(
                "The server has ended the answer half-way; run the command again, and it goes on."
            ) from None

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes; fewer at the end."""
        while size < 0 or len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return taken

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """Give its lines as JSON."""
        rest = b""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from map(msgspec.json.decode, whole)


class TransferServer:
    """Asks a server.

    Args:
        url: Where it is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: The URL is none.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url = url
        patience = httpx.Timeout(_SILENCE, connect=_CONNECT)
        self._client = httpx.Client(timeout=patience, **client_options(url, token_in(token_file)))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    @contextmanager
    def ask(
        self,
        method: str,
        path: str,
        *,
        accept: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        content: Iterable[bytes] | None = None,
    ) -> Generator[Answer]:
        """Give the answer to a request.

        Args:
            method: Of HTTP.
            path: With its leading slash.
            accept: The form of the answer.
            query: Its parameters.
            body: Is sent as JSON.
            content: Is sent as it is.

        Raises:
            Failure: It cannot be asked.
            Refused: It says no.
        """
        headers = {"Accept": accept}
        if content is not None:
            headers["Content-Type"] = "application/octet-stream"
        request = self._client.build_request(
            method, path, params=query, json=body, content=content, headers=headers
        )
        try:
            response = self._client.send(request, stream=True)
            said = b"" if response.is_success else response.read()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(self._url, error) from None
        try:
            if not response.is_success:
                raise problem_of(response.status_code, said)
            of_cairn(self._url, response, accept)
            yield Answer(response)
        finally:
            response.close()
