"""A server with the agentapi door open, shared by the tests of that door."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infrastructure.keys.sealing import make_sealing_key
from tests.agentapi.signed import SECRET, Signed
from tests.support.postgres import Server
from tests.support.server import running

OLD_SECRET = "the one before"


@pytest.fixture(scope="package")
def sealing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "sealing"
    make_sealing_key(path)
    return path


@pytest.fixture(scope="package")
def old_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secrets") / "signing"
    path.write_text(f"{OLD_SECRET}\n\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="package")
def manager_database(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="package")
def manager(manager_database: str, sealing_key: Path, old_secrets: Path) -> Iterator[str]:
    with running(
        manager_database,
        doors="agentapi",
        session_manager_hmac_secret=SECRET,
        session_manager_hmac_secret_file=old_secrets,
        secrets_key_file=sealing_key,
        max_body_bytes=64 * 1024,
    ) as base:
        yield base


@pytest.fixture(scope="package")
def client(manager: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=manager, timeout=60) as client:
        yield client


@pytest.fixture(scope="package")
def signed(client: httpx.Client) -> Signed:
    return Signed(client)
