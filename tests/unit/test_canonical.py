"""Equal values have equal digests, and others have others."""

import hashlib
import itertools

from application.reads.profile import profile_digest
from domain.log.canonical import digest_of


def test_the_digest_is_that_of_the_canonical_text() -> None:
    value = {"b": [1, None, True], "a": {"é\n": 'x"'}, "Z": 0.5}
    text = '{"Z":0.5,"a":{"é\\n":"x\\""},"b":[1,null,true]}'

    assert digest_of(value) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_keys_does_not_matter_and_that_of_lists_does() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])
    assert digest_of((1, 2)) == digest_of([1, 2])


def test_values_that_differ_have_digests_that_differ() -> None:
    values = [None, False, 0, "", [], {}, "0", 1, True, 1.5, {"a": None}, {"a": {}}, "\ud800"]

    for one, other in itertools.combinations(values, 2):
        assert digest_of(one) != digest_of(other)


def test_a_persona_is_known_by_all_that_it_says() -> None:
    whole = profile_digest("n", "b", {"k": 1})

    assert whole == digest_of({"name": "n", "body": "b", "profile": {"k": 1}})
    others = [("m", "b", {"k": 1}), ("n", "c", {"k": 1}), ("n", "b", {"k": 2}), ("b", "n", {})]
    assert len({whole, *(profile_digest(*other) for other in others)}) == 5
