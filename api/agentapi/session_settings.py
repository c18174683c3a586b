"""What a session is asked for with: SessionSettings as agentapi-proxy has them.

They are kept verbatim and sealed. What is in the log is them without secrets.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.agentapi.requests import Refusal
from domain import redaction

HIDDEN = "[redacted]"

Object = dict[str, Any]


class _Settings(BaseModel):
    """Keys are matched whatever their case, null is absent, and what is unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _fold_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        known = {name.casefold() for name in cls.model_fields}
        found: dict[str, Any] = {}
        for key, one in given.items():
            name = key.casefold()
            if one is None or name not in known:
                continue
            if name in found:
                raise ValueError(f"the name {name!r} stands there twice, in other cases")
            found[name] = one
        return found


class SessionSection(_Settings):
    """Whose session it is."""

    id: str | None = Field(default=None, description="Passed over: the server makes the id.")
    user_id: str = ""
    scope: str = Field(default="", description="`user` or `team`; empty is `user`.")
    team_id: str = ""
    agent_type: str = ""
    oneshot: bool = False
    teams: list[str] = []
    memory_key: dict[str, str] = {}


class Claude(_Settings):
    """Files of Claude Code."""

    claude_json: Object | None = None
    settings_json: Object | None = None
    mcp_servers: Object | None = None


class Codex(_Settings):
    """Files of Codex."""

    hooks_json: Object | None = None
    config_toml: str | None = None
    instructions_md: str | None = None
    mcp_servers: Object | None = None


class Pi(_Settings):
    """Files of Pi."""

    settings_json: Object | None = None
    models_json: Object | None = None


class Repository(_Settings):
    """What is cloned."""

    fullname: str = ""
    clone_dir: str = ""
    branch: str | None = None
    pr: Any = None


class Startup(_Settings):
    """What is run first."""

    command: list[str] | None = None
    args: list[str] | None = None
    pre_script: str | None = None


class Github(_Settings):
    """How GitHub is reached."""

    token: str | None = None
    secret_name: str | None = None
    config_secret_name: str | None = None


class SlackParams(_Settings):
    """Where the session talks in Slack."""

    channel: str | None = None
    thread_ts: str | None = None
    bot_token: str | None = None


class OtelCollector(_Settings):
    """What is measured."""

    enabled: bool | None = None
    scrape_interval: str | None = None
    claude_code_port: int | None = None
    exporter_port: int | None = None
    session_id: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    schedule_id: str | None = None
    webhook_id: str | None = None
    agent_type: str | None = None


class Sandbox(_Settings):
    """What the session may reach."""

    enabled: bool | None = None
    policy_id: str | None = None
    allowed_domains: list[str] | None = None
    denied_domains: list[str] | None = None
    count_mode: Any = None


class Registry(_Settings):
    """Where images come from."""

    server: str | None = None
    username: str | None = None
    password: str | None = None
    secret_name: str | None = None
    insecure: bool | None = None


class Docker(_Settings):
    """Containers of the session."""

    enabled: bool | None = None
    registries: list[Registry] | None = None


class File(_Settings):
    """A file that is put into the session."""

    path: str | None = None
    content: str | None = None
    permissions: Any = None


class Params(_Settings):
    """What is for the server that is asked, and not for the session."""

    manager_id: str | None = Field(
        default=None, description="The session manager that begins it; the default one without."
    )


class SessionSettings(_Settings):
    """All of it."""

    params: Params = Params()

    session: SessionSection = SessionSection()
    env: dict[str, str | None] | None = None
    initial_message: str = ""
    webhook_payload: str | None = None
    credentials: str | None = None
    unsynced_file_paths: list[str] | None = None
    claude: Claude | None = None
    codex: Codex | None = None
    pi: Pi | None = None
    repository: Repository | None = None
    startup: Startup | None = None
    github: Github | None = None
    slack_params: SlackParams | None = None
    otel_collector: OtelCollector | None = None
    sandbox: Sandbox | None = None
    docker: Docker | None = None
    files: list[File] | None = None


def settings_of(value: Any) -> SessionSettings:
    """Return settings made of JSON.

    Args:
        value: As it was decoded; None is none at all.

    Raises:
        Refusal: 400, a value is of another type, or nobody is named.
    """
    if value is not None and not isinstance(value, dict):
        raise Refusal(400, "invalid request body: it must be a JSON object")
    try:
        settings = SessionSettings.model_validate(value or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise Refusal(400, f"invalid request body: {at}: {first['msg']}") from None
    if not settings.session.user_id:
        raise Refusal(400, "session.user_id is required")
    return settings


# Secrets there are the values of `env`, `github.token`, `slack_params.bot_token`, `password` of
# registries, `content` of files, and `credentials`. The same keys hold secrets wherever else they
# stand, such as in the settings of an MCP server; the text of a configuration may hold anything.
_ALL_VALUES = frozenset(
    {"env", "env_vars", "environment", "environment_variables", "extra_headers", "headers",
     "http_headers"}
)  # fmt: skip
_SECRET = frozenset(
    {"access_tokens", "auth", "authorization", "config_toml", "content", "cookie", "cookies",
     "credential", "credentials", "key", "keys", "tokens"}
)  # fmt: skip
_SECRET_ENDS = ("token", "apikey", "apikeys", "_key", "_keys", "secret", "secrets", "password",
                "passwords", "passwd", "passphrase", "pwd", "_pass")  # fmt: skip
_NO_SECRET = frozenset({"memory_key"})
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def without_secrets(value: Any) -> Any:
    """Return settings as everybody who sees the session may read them.

    Args:
        value: JSON; it is not changed.
    """
    if isinstance(value, dict):
        given = cast("Mapping[str, Any]", value)
        return {key: _shown(key, one) for key, one in given.items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)  # type: ignore[redundant-cast]
        return [without_secrets(one) for one in items]
    return redaction.without_secrets(value) if isinstance(value, str) else value


def _shown(key: str, value: Any) -> Any:
    # As it is, and as words: `privateKey`, and a `toKEN` that is no two words.
    if any(map(_is_secret, (key, _NEXT_WORD.sub("_", key)))):
        return _hidden(value)
    return without_secrets(value)


def _is_secret(key: str) -> bool:
    plain = key.casefold().replace("-", "_")
    named = plain in _ALL_VALUES or plain in _SECRET or plain.endswith(_SECRET_ENDS)
    return named and plain not in _NO_SECRET


def _hidden(value: Any) -> Any:
    """Return the shape of a value: which keys it has is no secret, and readers may want it."""
    if isinstance(value, dict):
        return {key: _hidden(one) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)  # type: ignore[redundant-cast]
        return [_hidden(one) for one in items]
    return value if value is None or value == "" or isinstance(value, bool) else HIDDEN
