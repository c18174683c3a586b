"""The agentapi door is never open without a secret, and never without a key that seals."""

from pathlib import Path

import pytest

from api.cli.options import UsageError, settings_of
from api.composition.keys import signing_secrets_of
from api.settings import Settings
from api.start_error import StartError

ENABLED = "SESSION_MANAGER_ENABLED"
SECRET = "SESSION_MANAGER_HMAC_SECRET"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "secrets").write_text("one\r\n\ntwo three\n")
    (tmp_path / "secrets").chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "CAIRN_"])
def test_it_opens_by_the_names_that_agentapi_proxy_has(
    monkeypatch: pytest.MonkeyPatch, files: Path, prefix: str
):
    monkeypatch.setenv(prefix + ENABLED, "true")
    monkeypatch.setenv(prefix + SECRET, "s3cr3t")
    settings = Settings(secrets_key_file=files / "key")
    assert settings.has_open("agentapi")
    assert signing_secrets_of(settings)() == (b"s3cr3t",)
    assert "s3cr3t" not in repr(settings)


def test_all_secrets_are_good_at_the_same_time(files: Path):
    settings = Settings(
        doors="agentapi",
        session_manager_hmac_secret="clé",
        session_manager_hmac_secret_file=files / "secrets",
        secrets_key_file=files / "key",
    )
    assert signing_secrets_of(settings)() == ("clé".encode(), b"one", b"two three")


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_it_does_not_start_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, files: Path, blank: str
):
    monkeypatch.setenv(ENABLED, "true")
    monkeypatch.setenv(SECRET, blank)
    (files / "secrets").write_text(f"\n{blank}\r\n")
    for more in ({}, {"session_manager_hmac_secret_file": files / "secrets"}):
        with pytest.raises(StartError, match="never open without a secret"):
            signing_secrets_of(Settings(secrets_key_file=files / "key", **more))
    monkeypatch.setenv(ENABLED, "false")
    assert signing_secrets_of(Settings())() == ()


def test_it_does_not_start_without_a_key_that_seals():
    with pytest.raises(StartError, match="cairn secrets keygen"):
        signing_secrets_of(Settings(doors="agentapi", session_manager_hmac_secret="s"))


def test_secrets_that_others_may_read_are_refused(files: Path):
    (files / "secrets").chmod(0o640)
    settings = Settings(doors="agentapi", session_manager_hmac_secret_file=files / "secrets")
    with pytest.raises(StartError, match="CAIRN_SESSION_MANAGER_HMAC_SECRET_FILE"):
        signing_secrets_of(settings)


def test_a_file_of_managers_that_cannot_be_used_is_told_in_one_sentence(files: Path):
    settings = Settings(
        doors="agentapi", session_managers_file=files / "none", secrets_key_file=files / "key"
    )
    with pytest.raises(StartError, match="CAIRN_SESSION_MANAGERS_FILE"):
        signing_secrets_of(settings)


def test_a_refused_setting_does_not_repeat_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CAIRN_DOORS", "no-such")
    monkeypatch.setenv(SECRET, "s3cr3t")
    with pytest.raises(UsageError) as refused:
        settings_of()
    assert "s3cr3t" not in str(refused.value)
