"""Numbers of things in sentences."""

import pytest

from domain.counted import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 events"), (1, "1 event"), (2, "2 events"), (10_000, "10,000 events")],
)
def test_one_is_named_otherwise_than_several(number: int, said: str) -> None:
    assert counted(number, "event") == said


def test_a_plural_may_be_no_s() -> None:
    assert (counted(1, "child", "children"), counted(3, "child", "children")) == (
        "1 child",
        "3 children",
    )
