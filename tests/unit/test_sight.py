"""Which sessions exist for a principal, however often others have looked for them."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.tokens import sight as sights
from application.tokens.sight import Sight
from domain.errors import SessionNotFound
from domain.principal import Principal
from domain.values import Owner

ADA = Principal(actor="a", app="shop", user="ada")
BOB = Principal(actor="b", app="shop", user="bob")
SHOP = Principal(actor="s", app="shop")
BANK = Principal(actor="k", app="bank")
BANKS_ADA = Principal(actor="k", app="bank", user="ada")
ALL = Principal(actor="o")


class Rows:
    """Says whose sessions are, and counts how often it is asked."""

    def __init__(self, **whose: Owner) -> None:
        self.ids = {name: uuid4() for name in whose}
        self._rows = {self.ids[name]: SimpleNamespace(**vars_of(whose[name])) for name in whose}
        self.asked = 0

    async def session(self, session_id: UUID) -> Any:
        self.asked += 1
        return self._rows.get(session_id)


def vars_of(owner: Owner) -> dict[str, str]:
    return {"app": owner.app, "user": owner.user}


@pytest.mark.parametrize("in_memory", [False, True])
def test_what_one_principal_has_seen_is_not_there_for_another(in_memory: bool) -> None:
    owner = Owner(app="shop", user="ada")
    rows = Rows(adas=owner)
    sight = Sight(rows, lambda _: owner if in_memory else None)  # type: ignore[arg-type]

    async def seen(*who: Principal) -> list[bool]:
        return [await sight.sees(one, rows.ids["adas"]) for one in who]

    for _ in range(2):
        assert asyncio.run(seen(ADA, SHOP, ALL)) == [True, True, True]
        assert asyncio.run(seen(BOB, BANK, BANKS_ADA)) == [False, False, False]


def test_a_session_of_somebody_else_is_looked_for_as_one_that_is_not_there() -> None:
    owner = Owner(app="bank", user="ada")
    rows = Rows(theirs=owner)
    theirs, never = rows.ids["theirs"], uuid4()
    in_memory = Sight(rows, {theirs: owner}.get)  # type: ignore[arg-type]
    for sight in (in_memory, Sight(rows)):  # type: ignore[arg-type]
        for session_id in (theirs, never, theirs, never):
            before = rows.asked
            with pytest.raises(SessionNotFound):
                asyncio.run(sight.require(SHOP, session_id))
            assert rows.asked == before + 1


def test_what_is_seen_is_looked_for_once() -> None:
    rows = Rows(adas=Owner(app="shop", user="ada"))
    sight = Sight(rows)  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(sight.require(ADA, rows.ids["adas"]))
    assert rows.asked == 1


def test_only_the_last_that_were_seen_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sights, "_REMEMBERED", 1)
    owner = Owner(app="shop", user="ada")
    rows = Rows(one=owner, other=owner)
    sight = Sight(rows)  # type: ignore[arg-type]
    for name, asked in (("one", 1), ("one", 1), ("other", 2), ("one", 3)):
        asyncio.run(sight.require(ADA, rows.ids[name]))
        assert rows.asked == asked
