"""A diff is empty for equal values, and leads from the earlier ones to the later ones."""

import json

from hypothesis import given
from hypothesis import strategies as st

from application.reads.diff import changes_between
from tests.support.api import Json

SCALARS = st.none() | st.booleans() | st.integers(0, 1) | st.text(max_size=2)
VALUES = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from("ab"), one),
    max_leaves=5,
)
STATES = st.dictionaries(st.sampled_from("abcd"), VALUES)


def spelled(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


@given(STATES)
def test_equal_values_do_not_differ(state: Json) -> None:
    assert changes_between(state, json.loads(json.dumps(state))) == ({}, {}, {})


@given(STATES, STATES)
def test_what_differs_leads_from_one_to_the_other_and_back(earlier: Json, later: Json) -> None:
    found = changes_between(earlier, later)

    there = {key: value for key, value in earlier.items() if key not in found.removed}
    there |= dict(found.added) | {key: new for key, (_, new) in found.changed.items()}
    back = {key: value for key, value in later.items() if key not in found.added}
    back |= dict(found.removed) | {key: old for key, (old, _) in found.changed.items()}
    assert (spelled(there), spelled(back)) == (spelled(later), spelled(earlier))
