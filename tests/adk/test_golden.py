"""What google-adk's own server answered, asked of this door: equal, or listed with its reason."""

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.adk.deviations import DEVIATIONS
from tests.adk.replay import play

_GOLDEN = Path(__file__).parent / "golden.json"
_AGENTS = {"run", "run_sse", "artifacts"}


@cache
def cases() -> list[dict[str, Any]]:
    """The recorded cases in which no agent runs."""
    recorded: list[dict[str, Any]] = json.loads(_GOLDEN.read_text())["cases"]
    return [case for case in recorded if not _AGENTS & set(case["tags"]) and not _runs(case)]


def _runs(case: dict[str, Any]) -> bool:
    exchanges = [*case.get("setup", ()), case, *case.get("after", ())]
    return any(
        one["request"]["path"].startswith(("/run", "/apps/golden/users/cl-artifact"))
        and one["request"]["method"] == "POST"
        for one in exchanges
    )


def deviation_of(name: str) -> str | None:
    return next((why for given, why in DEVIATIONS.items() if fnmatchcase(name, given)), None)


@pytest.mark.parametrize("kind", sorted({case["tags"][0] for case in cases()}))
def test_the_door_answers_as_the_original_does_or_says_why_not(adk_server: str, kind: str):
    deviating: set[str] = set()
    for case in (one for one in cases() if one["tags"][0] == kind):
        found = play(adk_server, case)
        if deviation_of(case["name"]) is None:
            assert found == [], case["name"]
        elif found:
            deviating.add(case["name"])
    named = {one["name"] for one in cases() if one["tags"][0] == kind}
    for given in DEVIATIONS:
        of_kind = {name for name in named if fnmatchcase(name, given)}
        # What is listed and does not deviate any more is to be taken off the list.
        assert not of_kind or of_kind & deviating, given


def test_every_listed_deviation_is_of_a_recorded_case():
    names = [case["name"] for case in cases()]
    for given in DEVIATIONS:
        assert any(fnmatchcase(name, given) for name in names), given
