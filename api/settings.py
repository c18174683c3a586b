"""Everything that can be set, validated once: an option of `cairn serve`, or `CAIRN_*`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


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
    data_dir: Path = Path(".cairn")
    database_url: Annotated[
        SecretStr | None,
        Field(validation_alias=AliasChoices("CAIRN_DATABASE_URL", "DATABASE_URL")),
    ] = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    log_format: Literal["text", "json"] = "text"
    access_log: bool = False
    auth_token_file: Path | None = None

    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * MEBIBYTE
    max_record_bytes: Annotated[int, Field(ge=1024)] = MEBIBYTE
    kept_sessions: Annotated[int, Field(ge=1)] = 4096
    kept_transcript_bytes: Annotated[int, Field(ge=0)] = 64 * MEBIBYTE
    database_readers: Annotated[int, Field(ge=1, le=100)] = 8
    ping_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    stream_seconds: Annotated[float, Field(gt=0)] = 3600.0
    patience_seconds: Annotated[float, Field(gt=0)] = 5.0
