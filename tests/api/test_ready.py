"""`/ready` tells the truth about writes."""

from time import monotonic, sleep

import psycopg
import pytest

from tests.support.api import Api
from tests.support.postgres import Server
from tests.support.server import running

MESSAGE = {"role": "user", "parts": [{"type": "text", "text": "a"}]}


def until_ready(api: Api, is_ready: bool) -> dict[str, object]:
    """Return the answer once it is as wished: an idle machine does it in the 5 s promised."""
    end = monotonic() + 30
    while True:
        answer = api.get("/ready")
        if (answer.status_code == 200) == is_ready:
            return dict(answer.json())
        assert monotonic() < end, answer.text
        sleep(0.05)  # the server has nothing to wait for


@pytest.mark.parametrize(("code", "reason"), [("53100", "disk_full"), ("42501", "permission")])
def test_a_server_whose_writes_are_refused_is_not_ready_until_they_are_taken_again(
    postgres_server: Server, code: str, reason: str
) -> None:
    with (
        postgres_server.database() as url,
        running(url) as base,
        psycopg.connect(url, autocommit=True) as owner,
    ):
        api = Api(base)
        session = api.create()
        until_ready(api, True)
        raises = psycopg.sql.SQL(
            "create function fault() returns trigger language plpgsql as $$"
            " begin raise exception 'on purpose' using errcode = {}; end $$;"
            " create trigger fault before insert on events for each row execute function fault();"
            " create trigger fault before insert on write_probe"
            " for each row execute function fault()"
        )
        owner.execute(raises.format(code))

        refused = session.post("/messages", MESSAGE)

        assert refused.status_code == 503
        assert refused.json()["code"] == "store_unavailable"
        assert refused.json()["reason"] == reason
        assert "nothing was stored" in refused.json()["detail"]
        assert "retry-after" in refused.headers
        told = until_ready(api, False)
        assert told["reasons"] == [reason]
        assert session.get().status_code == 200

        assert api.get("/ready?wait=300ms").json()["reasons"] == [reason]
        assert api.get("/ready?wait=soon").status_code == 400
        owner.execute("drop function fault cascade")

        assert api.get("/ready?wait=30s").json() == {"status": "ready"}
        again = session.post("/messages", MESSAGE)
        assert again.status_code == 201
        api.close()
