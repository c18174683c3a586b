"""A server with a key to sign checkpoints with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.transparency.notes import VerifierKey
from infrastructure.keys.audit_key_file import make_key
from tests.support.api import Api
from tests.support.server import running

NAME = "cairn.example/store"


@dataclass
class Audited:
    """A server, how to ask it, its public key and its database."""

    url: str
    api: Api
    key: VerifierKey
    key_file: Path
    database: str


@pytest.fixture
def audited(database_url: str, tmp_path: Path) -> Iterator[Audited]:
    path = tmp_path / "audit.key"
    key = make_key(path, NAME)
    with running(database_url, audit_key_file=path) as base:
        api = Api(base)
        try:
            yield Audited(base, api, key, path, database_url)
        finally:
            api.close()


@pytest.fixture
def base_url(database_url: str) -> Iterator[str]:
    """A server without a key."""
    with running(database_url) as base:
        yield base
