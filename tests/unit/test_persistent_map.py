"""The map that costs the same however much it holds; `tests/property` has the model of it."""

import pytest

from domain.persistent_map import PersistentMap

MANY = {f"key {n}": n for n in range(2_000)}


class _Colliding(str):
    """A key whose hash is the same as that of every other one."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


def test_an_old_map_stays_as_it_was():
    old = PersistentMap({"a": 1})

    new = old.put("a", 2).put("b", 3)
    less = new.drop("a")

    assert (dict(old), dict(new), dict(less)) == ({"a": 1}, {"a": 2, "b": 3}, {"b": 3})
    assert (len(old), len(new), len(less)) == (1, 2, 1)


def test_it_holds_many_entries():
    full = PersistentMap(MANY)

    assert len(full) == len(MANY)
    assert dict(full) == MANY
    assert all(full[key] == value for key, value in MANY.items())


def test_every_entry_can_be_taken_out_again():
    left = PersistentMap(MANY)
    for key in MANY:
        left = left.drop(key)

    assert len(left) == 0
    assert list(left) == []


def test_many_are_put_at_once():
    for before in ({}, {"a": 1}, dict(list(MANY.items())[:1_000])):
        old = PersistentMap(before)
        new = old.put_all([*MANY, "a", "a"], 7)

        assert dict(old) == before
        assert dict(new) == before | dict.fromkeys(MANY, 7) | {"a": 7}
        assert len(new) == len(MANY) + 1
        assert dict(new.put_all([], 8)) == dict(new)


def test_dropping_what_is_not_there_gives_the_same_map():
    some = PersistentMap({"a": 1})

    assert some.drop("b") is some


def test_a_key_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        PersistentMap({"a": 1})["b"]
    with pytest.raises(KeyError):
        PersistentMap(MANY)["b"]
    assert PersistentMap(MANY).get("b") is None


def test_it_equals_any_mapping_with_the_same_entries_in_whatever_order_they_came():
    forwards, backwards = PersistentMap(MANY), PersistentMap(dict(reversed(MANY.items())))

    assert forwards == backwards == MANY
    assert forwards != forwards.put("key 1", "other")


def test_keys_whose_hashes_are_equal_in_every_bit_are_still_different_keys():
    keys = [_Colliding(n) for n in range(100)]
    crowded: PersistentMap[int] = PersistentMap()
    for n, key in enumerate(keys):
        crowded = crowded.put(key, n)

    assert [crowded[key] for key in keys] == list(range(100))
    for key in keys[:50]:
        crowded = crowded.drop(key)
    assert sorted(crowded.values()) == list(range(50, 100))


def test_none_is_a_value():
    held = PersistentMap({"a": None})

    assert "a" in held
    assert len(held.put("a", None)) == 1


def test_it_shows_what_it_holds():
    assert repr(PersistentMap({"a": 1})) == "PersistentMap({'a': 1})"
