"""Figures that tests note while they run."""

from collections.abc import Callable

import pytest


@pytest.fixture
def measured(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str, object], None]:
    """Note a figure: it goes into the report of the run, and is shown with -rP."""

    def note(name: str, value: object) -> None:
        record_property(name, value)
        print(f"{request.node.name}: {name}: {value}")

    return note
