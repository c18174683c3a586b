"""A server with the agentapi door open, shared by the tests of that door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.keys.sealing import make_sealing_key
from tests.agentapi.fake_manager import FakeManager, serving
from tests.agentapi.proxied import RIGHTS, Proxy
from tests.agentapi.signed import SECRET, SESSIONS, Signed
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


@pytest.fixture(scope="package")
def fake() -> Iterator[FakeManager]:
    with serving() as fake:
        yield fake


@pytest.fixture(scope="package")
def managers_file(
    manager: str, fake: FakeManager, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("managers") / "managers.toml"
    tables = [
        ("b", manager, SECRET),
        ("fake", fake.url, SECRET),
        ("stranger", manager, "another secret"),
        ("nobody", "http://127.0.0.1:9", SECRET),
    ]
    text = "".join(
        f'[[manager]]\nid = "{name}"\nurl = "{url}"\nhmac_secret = "{secret}"\n\n'
        for name, url, secret in tables
    )
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="package")
def proxy(postgres_server: Server, managers_file: Path, sealing_key: Path) -> Iterator[Proxy]:
    with (
        postgres_server.database() as url,
        running(
            url,
            doors="agentapi",
            session_managers_file=managers_file,
            session_manager_app="proxied",
            secrets_key_file=sealing_key,
        ) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        # Nobody comes in as long as there is no token, on this machine neither.
        assert client.get(SESSIONS).status_code == 401

        def made(**wanted: Any) -> str:
            answer = client.post("/v1/tokens", json={"allow": RIGHTS, **wanted})
            assert answer.status_code == 201, answer.text
            token: str = answer.json()["token"]
            return token

        tokens = {"all": made(allow=[*RIGHTS, "admin"])}
        client.headers["Authorization"] = f"Bearer {tokens['all']}"
        tokens |= {
            "ada": made(app="proxied", user="ada"),
            "bob": made(app="proxied", user="bob"),
            "reader": made(app="proxied", allow=["read"]),
            "shop": made(app="shop"),
        }
        del client.headers["Authorization"]
        yield Proxy(client, tokens)
