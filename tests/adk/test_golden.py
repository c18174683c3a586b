"""What google-adk's own server answered, asked of this door: equal, or listed with its reason.

The cases in which agents run are played in `test_google_adk.py`.
"""

from fnmatch import fnmatchcase

from tests.adk.deviations import DEVIATIONS, RUN_DEVIATIONS
from tests.adk.differences import check_listed
from tests.adk.golden import cases, recorded
from tests.adk.replay import play


def test_the_door_answers_as_the_original_does_or_says_why_not(adk_server: str):
    played = [(case["name"], play(adk_server, case)) for case in cases(runs=False)]
    check_listed({name: found for name, found in played if found}, DEVIATIONS, "no runs")


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
