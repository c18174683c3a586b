"""A server of their own for the tests of a file: they look into all of its database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from infrastructure.keys.audit_key_file import make_key
from tests.support.api import Api, Json
from tests.support.postgres import Server
from tests.support.server import running

BECAUSE = {"reason": "request 17"}


@dataclass
class Eraser:
    """A server with a key to sign with, and its database."""

    url: str
    api: Api
    database: str
    key_file: Path

    def erase(self, session_id: str, **body: Any) -> Json:
        answer = self.api.post(f"/v1/sessions/{session_id}/erase", {**BECAUSE, **body})
        assert answer.status_code == 200, answer.text
        report: Json = answer.json()["erasure"]
        return report

    def erase_user(self, app: str, user: str, query: str = "", **body: Any) -> list[Json]:
        path = f"/v1/apps/{app}/users/{user}/erase{query}"
        answer = self.api.post(path, {**BECAUSE, **body})
        assert answer.status_code == 200, answer.text
        return lines_of(answer)

    def verify(self) -> None:
        """See that every log, and all that is derived from them, is as it should be."""
        told = lines_of(self.api.get("/v1/audit/verify"))[-1]
        assert told["findings"] == []


def lines_of(answer: httpx.Response) -> list[Json]:
    return [msgspec.json.decode(line) for line in answer.content.splitlines()]


@pytest.fixture(scope="module")
def eraser(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eraser]:
    path = tmp_path_factory.mktemp("keys") / "audit.key"
    make_key(path, "cairn.example/store")
    with (
        postgres_server.database() as url,
        running(url, audit_key_file=path, webhook_private_targets=True, doors="adk") as base,
    ):
        api = Api(base)
        try:
            yield Eraser(base, api, url, path)
        finally:
            api.close()
