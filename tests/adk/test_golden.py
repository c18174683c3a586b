"""What google-adk's own server answered, asked of this door: equal, or listed with its reason.

The cases in which agents run are played in `test_google_adk.py`.
"""

from fnmatch import fnmatchcase

import pytest

from tests.adk.deviations import DEVIATIONS, RUN_DEVIATIONS
from tests.adk.golden import cases, reason, recorded
from tests.adk.replay import play


@pytest.mark.parametrize("kind", sorted({case["tags"][0] for case in cases(runs=False)}))
def test_the_door_answers_as_the_original_does_or_says_why_not(adk_server: str, kind: str):
    deviating: set[str] = set()
    for case in (one for one in cases(runs=False) if one["tags"][0] == kind):
        found = play(adk_server, case)
        if reason(case["name"], DEVIATIONS) is None:
            assert found == [], case["name"]
        elif found:
            deviating.add(case["name"])
    named = {one["name"] for one in cases(runs=False) if one["tags"][0] == kind}
    for given in DEVIATIONS:
        of_kind = {name for name in named if fnmatchcase(name, given)}
        # What is listed and does not deviate any more is to be taken off the list.
        assert not of_kind or of_kind & deviating, given


def test_every_recorded_case_is_played_and_every_deviation_is_of_one():
    own, same = recorded()
    names = [case["name"] for case in own]
    assert len({*names, *same}) == 520
    # What repeats a case repeats one that is played.
    assert {f"{name.split('@')[0]}@db" for name in same} <= set(names)
    for listed, runs in ((DEVIATIONS, False), (RUN_DEVIATIONS, True)):
        played = [case["name"] for case in cases(runs=runs)]
        for given in listed:
            assert any(fnmatchcase(name, given) for name in played), given
