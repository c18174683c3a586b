"""From settings to keys: what lets somebody in, what signs, and what seals."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from api.auth_token import TokenFileError, read_token
from api.settings import Settings
from api.start_error import StartError
from application.ports.access.issued_tokens import IssuedTokens
from application.ports.clock import Clock
from application.ports.log.transparency import Signatures
from application.ports.managers.provision_payloads import ProvisionPayloads
from application.ports.managers.session_managers import SessionManagers
from application.reads.evidence.transparency import AuditKeys
from infrastructure.clock import SystemClock
from infrastructure.keys.audit_key_file import make_key, read_keys, rotate_key
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.keys.owner_only_file import KeyFileError, read_owner_only
from infrastructure.keys.sealing import (
    Plain,
    Sealer,
    make_sealing_key,
    rotate_sealing_key,
)
from infrastructure.keys.watched_file import WatchedFile
from infrastructure.memory.managers.session_managing import NoSessionManagers
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.managers.provision_payloads import PostgresProvisionPayloads

__all__ = ["KeyFileError", "make_key", "make_sealing_key", "rotate_key", "rotate_sealing_key"]

SigningSecrets = Callable[[], tuple[bytes, ...]]
"""Tells the secrets that sign requests, as they are now."""

_MAKES_SECRETS = "openssl rand -hex 32"


def signatures() -> Signatures:
    """Return what signs and checks notes."""
    return Ed25519()


def audit_keys_of(settings: Settings) -> AuditKeys:
    """Return the keys that sign checkpoints; none when no key file is named.

    Args:
        settings: Say where they lie.

    Raises:
        StartError: The file cannot be used.
    """
    if settings.audit_key_file is None:
        return AuditKeys()
    try:
        return read_keys(settings.audit_key_file)
    except KeyFileError as error:
        raise StartError(f"{error} (CAIRN_AUDIT_KEY_FILE)") from error


def issued_tokens(settings: Settings, clock: Clock) -> IssuedTokens | None:
    """Return what checks the tokens of an issuer; None when none is named.

    Args:
        settings: Name the issuer.
        clock: Tells what has run out.
    """
    if not settings.oidc_issuer:
        return None
    # What it is made of takes a tenth of the time in which a server starts.
    from infrastructure.issuer.keys import IssuerKeys
    from infrastructure.issuer.tokens import Claims, JwtTokens

    return JwtTokens(
        IssuerKeys(settings.oidc_issuer, settings.oidc_keys),
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        claims=Claims(
            app=settings.oidc_app_claim,
            user=settings.oidc_user_claim,
            rights=settings.oidc_rights_claim,
            name=settings.oidc_name_claim,
        ),
        clock=clock,
        leeway=timedelta(seconds=settings.oidc_leeway_seconds),
    )


def signing_secrets_of(settings: Settings) -> SigningSecrets:
    """Return what tells the secrets that sign the requests of the agentapi door.

    A file with some of them is read again when it has changed.

    Args:
        settings: Hold one of them, and say where others lie.

    Returns:
        To be asked for each request; it tells none where the door is closed.

    Raises:
        StartError: There is none for whoever comes, no key seals what they send, or a file cannot
            be used.
    """
    if not settings.has_open("agentapi"):
        return tuple
    named = settings.session_manager_hmac_secret
    own = _secrets_of([named.get_secret_value()] if named else [])
    file: WatchedFile[tuple[bytes, ...]] | None = None
    if settings.session_manager_hmac_secret_file is not None:
        try:
            file = WatchedFile(settings.session_manager_hmac_secret_file, _secrets_in)
        except KeyFileError as error:
            raise StartError(f"{error} (CAIRN_SESSION_MANAGER_HMAC_SECRET_FILE)") from error
    if not (own or (file and file.now())) and settings.session_managers_file is None:
        raise StartError(
            "The agentapi door is never open without a secret; set SESSION_MANAGER_HMAC_SECRET, or"
            " name a file with one a line in CAIRN_SESSION_MANAGER_HMAC_SECRET_FILE."
        )
    if settings.secrets_key_file is None:
        raise StartError(
            "The agentapi door seals the secrets that sessions are asked for with; make a key with"
            " `cairn secrets keygen FILE`, and name it in CAIRN_SECRETS_KEY_FILE."
        )
    # Whoever starts a server is told here of a file that cannot be used.
    session_managers_of(settings, SystemClock())
    return lambda: own if file is None else own + file.now()


def _secrets_in(path: Path) -> tuple[bytes, ...]:
    """Return the secrets of a file, one a line."""
    return _secrets_of(read_owner_only(path, _MAKES_SECRETS).splitlines())


def _secrets_of(lines: Iterable[str]) -> tuple[bytes, ...]:
    """Return the secrets among lines: of blanks anybody could think."""
    return tuple(line.encode() for line in lines if line.strip())


def session_managers_of(settings: Settings, clock: Clock) -> SessionManagers:
    """Return the session managers that sessions are forwarded to; there may be none.

    Args:
        settings: Say where they are named.
        clock: Tells when a request is signed.

    Raises:
        StartError: The file cannot be used.
    """
    if settings.session_managers_file is None or not settings.has_open("agentapi"):
        return NoSessionManagers()
    # What it is made of takes a tenth of the time in which a server starts.
    from infrastructure.outgoing.session_managers import HttpSessionManagers, read_managers

    try:
        return HttpSessionManagers(
            WatchedFile(settings.session_managers_file, read_managers).now, clock
        )
    except KeyFileError as error:
        raise StartError(f"{error} (CAIRN_SESSION_MANAGERS_FILE)") from error


def sealer_of(settings: Settings) -> Plain | Sealer:
    """Return what seals secrets in the database.

    Args:
        settings: Say where its keys lie.

    Raises:
        StartError: The file cannot be used.
    """
    if settings.secrets_key_file is None:
        return Plain()
    try:
        return Sealer(settings.secrets_key_file)
    except KeyFileError as error:
        raise StartError(f"{error} (CAIRN_SECRETS_KEY_FILE)") from error


@asynccontextmanager
async def open_payloads(settings: Settings, url: str) -> AsyncGenerator[ProvisionPayloads]:
    """Open what sessions were asked for with, for whoever has the key of the seal.

    Args:
        settings: Say where the key lies.
        url: The database, up to date.

    Raises:
        StartError: The file of the key cannot be used.
    """
    database = Database(url, readers=1)
    await database.open()
    try:
        yield PostgresProvisionPayloads(database, sealer_of(settings))
    finally:
        await database.close()


def token_of(settings: Settings) -> str | None:
    """Return the bearer token that is asked for; None when none is.

    Args:
        settings: Say where it lies.

    Raises:
        StartError: The file cannot be used.
    """
    if settings.auth_token_file is None:
        return None
    try:
        return read_token(settings.auth_token_file, "--auth-token-file or CAIRN_AUTH_TOKEN_FILE")
    except TokenFileError as error:
        raise StartError(str(error)) from error
