"""Everything that can be set, validated once: an option of `cairn serve`, or `CAIRN_*`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.http.around.forwarded import checked_root_path, networks_of
from api.http.around.site_guard import require_hosts, require_origins
from application.limits.limiter import PrincipalLimits
from application.ports.access.issued_tokens import secure_url
from domain.timers import Timers

Listed = Literal["adk_apps", "allowed_hosts", "allowed_origins", "doors", "trusted_proxies"]
DOORS = ("adk", "agentapi", "docker-agent")
"""The doors beside the native one, each closed unless it is named."""
MEBIBYTE = 1024 * 1024
_LARGEST, _MOST_STREAMS = 10**15 - 1, 2**31 - 1
"""Of a limit: the largest integer of a header field (RFC 9651), and of the column that counts."""
_LISTEN = re.compile(r"unix:///[^\0]*[^\0/]|fd://(?:[3-9]|[1-9]\d{1,8})")
_SOCKET_MODE = re.compile(r"0?[67][0-7]{2}")


def _of_agentapi(name: str) -> tuple[str, str]:
    """Return the names of a setting: ours, and that of agentapi-proxy itself."""
    return f"CAIRN_SESSION_MANAGER_{name}", f"SESSION_MANAGER_{name}"


class Settings(BaseSettings):
    """How one server runs.

    Environment variables are the names in capitals behind `CAIRN_`, an empty one being none;
    `DATABASE_URL` is understood too, as it is what platforms set.
    """

    model_config = SettingsConfigDict(
        env_prefix="CAIRN_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    listen: str = ""
    """Instead of `host` and `port`: `unix:///path`, or `fd://3`."""
    socket_mode: str | None = None
    """Permissions of a Unix socket, in octal; None is 0600."""
    data_dir: Path = Path(".cairn")
    database_url: Annotated[
        SecretStr | None,
        Field(validation_alias=AliasChoices("CAIRN_DATABASE_URL", "DATABASE_URL")),
    ] = None
    worker_silence_seconds: Annotated[float, Field(ge=2)] = 10.0
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    log_format: Literal["text", "json"] = "text"
    access_log: bool = False
    auth_token_file: Path | None = None
    oidc_issuer: str = ""
    """Whose tokens (JWT) let somebody in, as they name it, such as `https://login.example`."""
    oidc_audience: str = "cairn"
    oidc_keys: str = ""
    """URL or file of the keys of the issuer; empty is what the issuer says."""
    oidc_app_claim: Annotated[str, Field(min_length=1)] = "cairn_app"
    oidc_user_claim: str = ""
    """Empty: a token is for all users of its app."""
    oidc_rights_claim: Annotated[str, Field(min_length=1)] = "scope"
    oidc_name_claim: Annotated[str, Field(min_length=1)] = "sub"
    oidc_leeway_seconds: Annotated[float, Field(ge=0, le=300)] = 60.0
    allowed_hosts: str = ""
    """Names of this server beside `localhost`, comma-separated."""
    allowed_origins: str = ""
    """Origins whose pages may use the API, comma-separated, such as `https://a.example`."""
    doors: str = ""
    """Doors that are open beside the native one, comma-separated, of `DOORS`."""
    adk_apps: str = ""
    """Apps that the ADK door lists beside those that have sessions, comma-separated."""
    driver_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long a run asked for by a door waits for somebody to drive the session."""
    session_manager_enabled: Annotated[
        bool, Field(validation_alias=AliasChoices(*_of_agentapi("ENABLED")))
    ] = False
    """The same as `agentapi` among the doors."""
    session_manager_hmac_secret: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices(*_of_agentapi("HMAC_SECRET")))
    ] = None
    """Signs the requests of the agentapi door."""
    session_manager_hmac_secret_file: Path | None = None
    """The same, one a line: all of them are good."""
    session_manager_app: Annotated[str, Field(min_length=1, max_length=200)] = "agentapi"
    """To which the sessions of the agentapi door belong."""
    session_managers_file: Path | None = None
    """Names the session managers that the agentapi door forwards to."""
    root_path: Annotated[str, AfterValidator(checked_root_path)] = ""
    """Under which a proxy shows the server, such as `/cairn`."""
    trusted_proxies: str = ""
    """Addresses and networks, comma-separated, believed for what they forward; also `unix`."""
    audit_key_file: Path | None = None
    """Holds the keys that sign checkpoints; `cairn audit keygen` makes it."""

    limit_requests: Annotated[int | None, Field(ge=1, le=_LARGEST)] = None
    """Of each principal, a second."""
    limit_streams: Annotated[int | None, Field(ge=1, le=_MOST_STREAMS)] = None
    """The same, open at a time."""
    limit_sessions: Annotated[int | None, Field(ge=1, le=_LARGEST)] = None
    """The same, begun a day."""
    limit_bytes: Annotated[int | None, Field(ge=1, le=_LARGEST)] = None
    """The same, of bodies that write, a day."""
    secrets_key_file: Path | None = None
    """Holds the keys that seal secrets in the database; `cairn secrets keygen` makes it."""

    max_head_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024
    head_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    stalled_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    idle_seconds: Annotated[float, Field(gt=0, le=3600)] = 75.0
    max_connections: Annotated[int | None, Field(ge=1)] = None
    max_connections_per_peer: Annotated[int | None, Field(ge=1)] = None
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * MEBIBYTE
    max_import_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * MEBIBYTE
    max_blob_bytes: Annotated[int, Field(ge=1024, le=1024 * MEBIBYTE)] = 64 * MEBIBYTE
    blob_hours: Annotated[float, Field(gt=0, le=87600)] = 24.0
    """For which a blob is kept that no session names."""
    max_record_bytes: Annotated[int, Field(ge=1024)] = MEBIBYTE
    max_artifact_bytes: Annotated[int, Field(ge=MEBIBYTE)] = 256 * MEBIBYTE
    """Of all artifacts of a session, and of those that the sessions of a user share."""
    max_state_bytes: Annotated[int, Field(ge=MEBIBYTE)] = 16 * MEBIBYTE
    memory_mb: Annotated[int | None, Field(ge=128)] = None
    """Of one process; None is a part of what the machine or the control group has."""
    database_readers: Annotated[int, Field(ge=1, le=100)] = 8
    ping_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    stream_seconds: Annotated[float, Field(gt=0)] = 3600.0
    webhook_private_targets: bool = False
    webhook_attempts: Annotated[int, Field(ge=1, le=100)] = 12
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    patience_seconds: Annotated[float, Field(gt=0)] = 5.0

    hooks: str = ""
    """Names of hooks, comma-separated: `package.module:attribute`, a `Hook` or several."""
    turn_progress_seconds: Annotated[float, Field(ge=0)] = 600.0
    turn_warning_seconds: Annotated[float, Field(ge=0)] = 900.0
    turn_silence_seconds: Annotated[float, Field(ge=0)] = 1800.0
    turn_grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    turn_limit_seconds: Annotated[float, Field(ge=0)] = 0.0
    """0 is for ever."""
    recovery_grace_seconds: Annotated[float, Field(ge=0, le=86400)] = 15.0
    """After a lease ran out in a running turn: then the session is stopped."""
    recovery_unattended_seconds: Annotated[float, Field(ge=1, le=604800)] = 900.0
    """Without an event, in `starting` or `stopping` without a lease: then it is stopped."""
    retention_policy: Path | None = None
    """A file of policies that one server process follows by itself."""
    retention_hours: Annotated[float, Field(gt=0, le=8760)] = 24.0
    """From the beginning of one run to that of the next."""
    idempotency_days: Annotated[float, Field(gt=0, le=3650)] = 7.0

    @model_validator(mode="after")
    def _warn_before_giving_up(self) -> Self:
        warning, silence = self.turn_warning_seconds, self.turn_silence_seconds
        if 0 < silence < warning:
            raise ValueError(
                "CAIRN_TURN_WARNING_SECONDS must not be more than CAIRN_TURN_SILENCE_SECONDS: a"
                " turn counts as stalled before it is given up"
            )
        return self

    @field_validator("doors")
    @classmethod
    def _name_doors(cls, value: str) -> str:
        unknown = sorted(set(_listed(value)) - set(DOORS))
        if unknown:
            raise ValueError(f"there is no door {unknown[0]!r}; there are {', '.join(DOORS)}")
        return value

    @field_validator("listen")
    @classmethod
    def _name_a_socket(cls, value: str) -> str:
        if value and not _LISTEN.fullmatch(value):
            raise ValueError(
                "it must be unix:// with an absolute path, such as unix:///run/cairn.sock, or fd://"
                " with an inherited descriptor from 3 up"
            )
        return value

    @field_validator("socket_mode")
    @classmethod
    def _let_the_owner_connect(cls, value: str | None) -> str | None:
        if value is not None and not _SOCKET_MODE.fullmatch(value):
            raise ValueError(
                "it must be permissions in octal that let the owner read and write, such as 0600 or"
                " 0660"
            )
        return value

    @model_validator(mode="after")
    def _set_permissions_of_what_is_made(self) -> Self:
        if self.socket_mode is not None and not self.listen.startswith("unix:"):
            raise ValueError(
                "CAIRN_SOCKET_MODE is for a socket that CAIRN_LISTEN=unix:///path makes"
            )
        return self

    @property
    def socket_permissions(self) -> int:
        """Return the permissions of a Unix socket, as a number."""
        return int(self.socket_mode or "0600", 8)

    @field_validator("oidc_issuer", "oidc_keys")
    @classmethod
    def _read_keys_safely(cls, value: str) -> str:
        return secure_url(value) if "://" in value else value

    @model_validator(mode="after")
    def _know_where_the_keys_are(self) -> Self:
        if self.oidc_keys and not self.oidc_issuer:
            raise ValueError(
                "CAIRN_OIDC_KEYS are those of an issuer: name it with CAIRN_OIDC_ISSUER"
            )
        if self.oidc_issuer and not self.oidc_keys and "://" not in self.oidc_issuer:
            raise ValueError(
                "CAIRN_OIDC_ISSUER is no URL that tells its keys: name them with CAIRN_OIDC_KEYS"
            )
        return self

    @field_validator("allowed_origins")
    @classmethod
    def _allow_origins_that_there_are(cls, value: str) -> str:
        require_origins(_listed(value))
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _allow_names_of_hosts(cls, value: str) -> str:
        require_hosts(_listed(value))
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _name_networks(cls, value: str) -> str:
        try:
            networks_of(_listed(value))
        except ValueError:
            raise ValueError(
                "it must be addresses, networks such as 10.0.0.0/8, or `unix`"
            ) from None
        return value

    def has_open(self, door: str) -> bool:
        """Return whether a door beside the native one is open.

        Args:
            door: Its name.
        """
        return door in self.names("doors") or (door == "agentapi" and self.session_manager_enabled)

    def names(self, setting: Listed) -> list[str]:
        """Return a comma-separated setting as a list.

        Args:
            setting: Which.
        """
        return _listed(getattr(self, setting))

    def limits(self) -> PrincipalLimits:
        """Return how much each principal may ask for."""
        return PrincipalLimits(
            requests=self.limit_requests,
            streams=self.limit_streams,
            sessions=self.limit_sessions,
            bytes=self.limit_bytes,
        )

    def timers(self) -> Timers:
        """Return how long turns may be silent or run."""
        return Timers(
            progress=self.turn_progress_seconds or None,
            warning=self.turn_warning_seconds or None,
            silence=self.turn_silence_seconds or None,
            turn=self.turn_limit_seconds or None,
            grace=self.turn_grace_seconds,
        )


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
