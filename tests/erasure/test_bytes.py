"""What was erased is looked for in the files of the database, with the statements of the guide."""

import re
from collections.abc import Iterator, Sequence
from uuid import uuid4

import psycopg
import pytest

from tests.erasure.conftest import Eraser
from tests.support.api import SessionApi, done
from tests.support.docs import ROOT
from tests.support.postgres import Server

_SQL = re.compile(r"```sql\n(.+?)```", re.DOTALL)
STATEMENTS = _SQL.findall((ROOT / "docs/erasure.md").read_text("utf-8"))[0].strip().splitlines()

FILES = """
    select d.dir || '/' || f.name || ' ' || coalesce(pg_filenode_relation(0,
      nullif(regexp_replace(f.name, '[^0-9].*', ''), '')::oid)::text, 'gone')
    from (select 'base/' || oid from pg_database where datname = current_database()) as d (dir)
    cross join lateral pg_ls_dir(d.dir) as f (name)
    where f.name ~ '^[0-9]'
      and position(%s::bytea in pg_read_binary_file(d.dir || '/' || f.name)) > 0
"""


@pytest.fixture
def superuser(eraser: Eraser, postgres_server: Server) -> Iterator[psycopg.Connection]:
    url = postgres_server.admin_url(eraser.database)
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select rolsuper from pg_roles where rolname = current_user")
        if row.fetchone() != (True,):
            pytest.skip("only a superuser may read the files of the database")
        yield connection


def files_with(superuser: psycopg.Connection, word: str) -> Sequence[str]:
    """Return the files of the database that have a word in them."""
    superuser.execute("checkpoint")
    return [path for (path,) in superuser.execute(FILES, [word.encode()]).fetchall()]


def rewrite(superuser: psycopg.Connection) -> None:
    """Do what the guide says."""
    for statement in STATEMENTS:
        superuser.execute(statement)


class Words:
    """A word of its own for each place where something is said, so that a find says where."""

    def __init__(self) -> None:
        self._mark = uuid4().hex
        self.places: list[str] = []

    def __call__(self, place: str) -> str:
        self.places.append(place)
        return f"{place}-{self._mark}"

    def found(self, superuser: psycopg.Connection) -> dict[str, Sequence[str]]:
        every = {place: files_with(superuser, f"{place}-{self._mark}") for place in self.places}
        return {place: files for place, files in every.items() if files}


def everywhere(eraser: Eraser, say: Words, app: str, user: str) -> SessionApi:
    """Begin a session that says something in all places where something can be said."""
    mine = eraser.api.post(
        "/v1/sessions",
        {
            "app": app, "user": user, "title": say("title"), "tags": [say("tag")],
            "metadata": {"facet": say("facet")}, "external_id": say("external"),
            "workspace": say("workspace"), "agent": {"name": say("agent")},
            "state": {"own": say("own"), "app:k": say("appkey"), "user:k": say("userkey")},
        },
        headers={"Idempotency-Key": say("begin"), "Cairn-Actor": say("actor")},
    )  # fmt: skip
    session = SessionApi(eraser.api, done(mine, 201)["session"])
    key = {"Idempotency-Key": say("key")}
    text = [{"type": "text", "text": say("message")}]
    done(session.post("/messages", {"role": "user", "parts": text}, headers=key), 201)
    session.start("t1", meta={"m": say("meta")})
    session.record(
        ("agent.message", {"parts": [{"type": "text", "text": say("answer")}]}),
        ("tool.called", {"tool_call_id": "c", "name": "grep", "input": {"q": say("call")}}),
        ("tool.returned", {"tool_call_id": "c", "output": {"out": say("result")}}),
    )
    session.ask("r1", "t1", title=say("question"))
    done(session.post("/presence", {"reporter": say("reporter"), "process": "healthy"}))
    done(session.post("/attach", {"holder": say("holder")}), 201)
    sent = eraser.api.request(
        "POST", f"/v1/apps/{app}/users/{user}/blobs", content=say("blob").encode() * 9_000
    )  # fmt: skip
    file = [{"type": "file", "blob": done(sent, 201)["blob"]}]
    done(session.post("/messages", {"role": "user", "parts": file}), 201)
    large = [{"type": "text", "text": say("large") + "x" * 20_000}]
    done(session.post("/messages", {"role": "user", "parts": large}), 201)
    done(session.patch("/state", {"set": {"app:k": say("appkey2"), "user:k": say("userkey2")}}))
    session.complete("t1")
    keep_artifact(eraser, session, say("artifactname"), say("artifact"))
    for _ in range(3):
        # Enough for a state to be kept.
        events = [
            ("agent.message", {"parts": [{"type": "text", "text": "x"}], "message_id": f"m{n}"})
            for n in range(180)
        ]
        session.start(turn := uuid4().hex)
        session.record(*events, turn_id=turn)
        session.complete(turn)
    done(session.get("/snapshot?at=500"))
    return session


def keep_artifact(eraser: Eraser, session: SessionApi, name: str, text: str) -> None:
    told = done(session.get())["session"]
    path = f"/apps/{told['app']}/users/{told['user']}/sessions/{session.id}/artifacts"
    done(eraser.api.post(path, {"filename": name, "artifact": {"text": text}}))


def test_no_file_holds_what_a_session_has_said(
    eraser: Eraser, superuser: psycopg.Connection
) -> None:
    say = Words()
    app = f"app-{uuid4().hex}"
    session = everywhere(eraser, say, app, "ada")
    fork = done(session.post("/fork", {"title": say("fork")}), 201)["session"]["id"]
    superuser.execute("analyze")
    assert len(say.found(superuser)) > 20
    kept = superuser.execute("select count(*) from snapshots").fetchone()
    assert kept is not None
    assert kept[0] > 0
    eraser.erase(session.id, shared_keys="erased")
    rewrite(superuser)
    assert say.found(superuser) == {}
    # Their ids are still there, and every digest.
    for gone in (session.id, fork):
        told = done(eraser.api.get(f"/v1/sessions/{gone}/verify"))
        assert (told["ok"], told["events"] > 1) == (True, True)


def test_no_file_holds_what_a_user_has_said_nor_who_it_was(
    eraser: Eraser, superuser: psycopg.Connection
) -> None:
    say = Words()
    app, user = f"app-{uuid4().hex}", say("user")
    everywhere(eraser, say, app, user)
    # What was sent, and named by no message.
    path = f"/v1/apps/{app}/users/{user}/blobs"
    eraser.api.request("POST", path, content=say("upload").encode())
    deleted = eraser.api.create(app=app, user=user, title=say("deleted"))
    done(deleted.delete(json={}))
    state = {"set": {"user:own": say("scope")}}
    done(eraser.api.patch(f"/v1/apps/{app}/users/{user}/state", state))
    named = eraser.api.create(app=app, user=user)
    keep_artifact(eraser, named, f"user:{say('sharedname')}", say("shared"))
    other = eraser.api.create(app=app, user="bob", title=(kept := f"kept-{uuid4().hex}"))
    superuser.execute("analyze")
    *progress, last = eraser.erase_user(app, user)
    assert (last["report"]["sessions"], len(progress) > 1) == (3, True)
    rewrite(superuser)
    assert say.found(superuser) == {}
    assert files_with(superuser, kept)
    assert done(other.get())["session"]["title"] == kept
    eraser.verify()
    # Who comes back begins with nothing.
    again = eraser.api.create(app=app, user="ada-again")
    assert done(again.get("/state"))["state"] == {}
