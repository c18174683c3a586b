"""What the same programs keep on Postgres: loaded into a database, and read from there."""

from pathlib import Path
from typing import LiteralString, cast

import psycopg
import pytest

from application.transfer.lines import FileFault
from tests.importers.reading import SAMPLES, Imported, expected, imported
from tests.importers.test_adk import counted as of_adk
from tests.importers.test_langgraph import check as check_thread
from tests.importers.test_openai_agents import counted as of_openai


def loaded(url: str, source: str, name: str, folder: Path, driver: str) -> dict[str, Imported]:
    dump = (SAMPLES / source / name).read_text("utf-8")
    with psycopg.connect(url, autocommit=True) as connection:
        # Its tables have names that are ours too.
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
        connection.execute(cast("LiteralString", dump))
    return imported(source, url.replace("postgresql://", f"{driver}://"), folder)


def test_google_adk(database_url: str, tmp_path: Path):
    found = loaded(database_url, "adk", "postgres-v1.sql", tmp_path, "postgresql+asyncpg")
    told = expected("adk")["postgres-v1.sql"]["sessions"]
    for key, one in told.items():
        assert of_adk(found[key], one) == one, key


def test_openai_agents(database_url: str, tmp_path: Path):
    found = loaded(
        database_url, "openai-agents", "sqlalchemy-postgres.sql", tmp_path, "postgresql+asyncpg"
    )
    told = expected("openai-agents")["sqlalchemy-postgres.sql"]["sessions"]
    assert found.keys() == told.keys()
    for key, one in told.items():
        # Its text survives here, and the sheet counts it where it does not.
        assert of_openai(found[key], one) | {"nul": one["nul"]} == one, key


def test_langgraph(database_url: str, tmp_path: Path):
    found = loaded(database_url, "langgraph", "checkpoints-postgres.sql", tmp_path, "postgresql")
    told = expected("langgraph")["checkpoints-postgres.sql"]
    for key, one in told.items():
        if not one["fork_points"] and "|" not in key:
            check_thread(found[key], one)


@pytest.mark.parametrize("source", ["adk", "openai-agents", "langgraph"])
def test_a_database_of_another_program_is_refused(source: str, database_url: str, tmp_path: Path):
    with pytest.raises(FileFault, match="the Postgres database has no"):
        imported(source, database_url, tmp_path)


def test_a_database_that_is_not_there_is_refused_without_its_password(tmp_path: Path):
    with pytest.raises(FileFault, match="cannot be read") as refused:
        imported("adk", "postgresql://me:secret@127.0.0.1:1/none", tmp_path)
    assert "secret" not in str(refused.value)
