"""Tokens of an issuer, at a real server: they let in, are refused with a reason, and run out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from pydantic import ValidationError

from api.settings import Settings
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, write_keys
from tests.support.server import running

KEY = SigningKey()


def token(seconds: float = 600, **claims: Any) -> str:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "till", "exp": end.timestamp()}
    scope = "cairn:read cairn:write cairn:stream"
    return KEY.sign({**said, "scope": scope, "cairn_app": "shop", **claims})


def test_a_token_of_the_issuer_is_all_that_is_needed(database_url: str, tmp_path: Path):
    keys = write_keys(tmp_path / "keys.json", KEY)
    with (
        running(
            database_url, oidc_issuer=ISSUER, oidc_keys=str(keys), oidc_leeway_seconds=0
        ) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):

        def ask(method: str, path: str, shown: str, **how: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {shown}", **how.pop("headers", {})}
            return client.request(method, path, headers=headers, **how)

        assert client.get("/v1/sessions").status_code == 401
        assert client.get("/health").status_code == 200
        made = ask("POST", "/v1/sessions", token(), json={"app": "shop", "user": "ada"},
                   headers={"Cairn-Actor": "somebody"})  # fmt: skip
        assert made.status_code == 201
        path = f"/v1/sessions/{made.json()['session']['id']}"
        event = ask("GET", f"{path}/events", token()).json()["events"][0]
        assert (event["actor"], event["claimed_actor"]) == ("till", "somebody")
        assert ask("GET", path, token(cairn_app="bank")).status_code == 404
        refused = ask("POST", f"{path}/stop", token(scope="cairn:read"), json={})
        assert (refused.status_code, refused.json()["right"]) == (403, "write")
        wrong = ask("GET", path, token(aud="other"))
        assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorized")
        assert "audience" in wrong.json()["detail"]

        # A stream ends when its token does.
        def end_of_stream(seconds: float) -> tuple[str, str] | None:
            """Return its last word; None when the token had run out before it was read."""
            headers = {"Authorization": f"Bearer {token(seconds)}", "Accept": "text/event-stream"}
            with client.stream("GET", f"{path}/events?since=0", headers=headers) as response:
                if response.status_code == 401:
                    return None
                *_, last = EventSource(response).iter_sse()
                return last.event, last.json()["code"]

        ended = end_of_stream(1.5) or end_of_stream(6) or end_of_stream(15)
        assert ended == ("error", "unauthorized")


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc_issuer": "http://login.example"},
        {"oidc_issuer": "login.example"},
        {"oidc_keys": "/keys.json"},
        {"oidc_issuer": ISSUER, "oidc_keys": "http://login.example/keys"},
        {"oidc_issuer": ISSUER, "oidc_leeway_seconds": 301},
        {"oidc_issuer": ISSUER, "oidc_app_claim": ""},
    ],
)
def test_settings_that_would_not_be_safe_are_refused(settings: Any):
    with pytest.raises(ValidationError):
        Settings(**settings)


def test_what_tickets_open_counts_with_the_name_that_made_them(database_url: str, tmp_path: Path):
    keys = write_keys(tmp_path / "keys.json", KEY)
    with (
        running(database_url, oidc_issuer=ISSUER, oidc_keys=str(keys), limit_streams=1) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        shown = {"Authorization": f"Bearer {token(cairn_app='*')}"}
        first, *others = (
            client.post("/v1/tickets", json=wanted, headers=shown).json()["path"]
            for wanted in ({}, {"app": "shop"}, {"app": "shop", "user": "ada"}, {"user": "bob"})
        )
        stream = {"Accept": "text/event-stream"}
        with client.stream("GET", first, headers=stream) as opened:
            assert opened.status_code == 200
            for path in others:
                refused = client.get(path, headers=stream)
                assert (refused.status_code, refused.json()["limit"]) == (429, "streams")
