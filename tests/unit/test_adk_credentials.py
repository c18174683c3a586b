"""What is secret in events of google-adk is taken out, however its keys are written."""

from typing import Any

import pytest

from api.adk.credentials import CREDENTIAL, without_secrets

AUTH: dict[str, dict[str, Any]] = {
    "camel": {"authType": "oauth2", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t"}},
    "snake": {"auth_type": "http", "http": {"credentials": {"access_token": "s3cr3t"}}},
}


def event(part: dict[str, Any], configs: dict[str, Any]) -> dict[str, Any]:
    return {"actions": {"requestedAuthConfigs": configs}, "content": {"parts": [part]}}


@pytest.mark.parametrize("auth", AUTH.values(), ids=AUTH)
@pytest.mark.parametrize("kind", ["functionCall", "functionResponse"])
def test_what_says_that_it_is_a_credential_is_without_its_secrets(kind: str, auth: Any):
    field = "args" if kind == "functionCall" else "response"
    told = {"name": "tool", field: {"a": [{"auth": auth}], "token": "what a tool calls so"}}
    kept = without_secrets(event({kind: told}, {"1": {"rawAuthCredential": auth}}))
    assert "s3cr3t" not in str(kept)
    assert kept["content"]["parts"][0][kind][field]["token"] == "what a tool calls so"


@pytest.mark.parametrize("key", ["apiKey", "api_key", "authCode", "refresh_token", "privateKey"])
def test_a_request_for_credentials_is_without_any(key: str):
    told = {"name": CREDENTIAL, "args": {"config": [{key: "s3cr3t", "scheme": "x"}]}}
    kept = without_secrets(event({"functionCall": told}, {}))
    assert kept["content"]["parts"][0]["functionCall"]["args"] == {"config": [{"scheme": "x"}]}
