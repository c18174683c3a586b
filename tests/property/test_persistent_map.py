"""The immutable map does what a dict does, and keeps its old selves."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.persistent_map import PersistentMap
from tests.property.effort import examples


class Key(str):
    """A key that is crowded together with many others, if it is short."""

    __slots__ = ()

    def __hash__(self) -> int:
        return super().__hash__() if len(self) > 2 else len(self) * 1024 - 2048


keys = (st.text("abcdefgh", max_size=2) | st.text("ab", min_size=3, max_size=5)).map(Key)


class MapAgainstDict(RuleBasedStateMachine):
    """Whatever is put in and taken out."""

    @initialize(first=st.dictionaries(keys, st.integers(), max_size=40))
    def begin(self, first: dict[str, int]) -> None:
        self.model, self.map = dict(first), PersistentMap(first)
        self.kept: list[tuple[dict[str, int], PersistentMap[int]]] = []

    @rule(key=keys, value=st.integers())
    def put(self, key: str, value: int) -> None:
        self.kept.append((dict(self.model), self.map))
        self.map, self.model[key] = self.map.put(key, value), value

    @rule(many=st.dictionaries(keys, st.integers(), min_size=10, max_size=60))
    def put_many(self, many: dict[str, int]) -> None:
        for key, value in many.items():
            self.map, self.model[key] = self.map.put(key, value), value

    @rule(many=st.lists(keys, max_size=60), value=st.integers())
    def put_all(self, many: list[str], value: int) -> None:
        self.kept.append((dict(self.model), self.map))
        self.map = self.map.put_all(many, value)
        self.model |= dict.fromkeys(many, value)

    @rule(key=keys)
    def drop(self, key: str) -> None:
        self.kept.append((dict(self.model), self.map))
        self.map = self.map.drop(key)
        self.model.pop(key, None)

    @rule(key=keys)
    def look(self, key: str) -> None:
        assert self.map.get(key) == self.model.get(key)
        assert (key in self.map) == (key in self.model)

    @rule()
    def empty(self) -> None:
        for key in list(self.model)[::2]:
            self.map = self.map.drop(key)
            del self.model[key]

    @invariant()
    def they_are_equal(self) -> None:
        assert self.map == self.model
        assert len(self.map) == len(self.model) == len(list(self.map))
        assert dict(self.map.items()) == self.model
        assert sorted(self.map.values()) == sorted(self.model.values())

    def teardown(self) -> None:
        for model, kept in getattr(self, "kept", ()):
            assert kept == model


TestMapAgainstDict = MapAgainstDict.TestCase
TestMapAgainstDict.settings = examples(50, steps=30)
