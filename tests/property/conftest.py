"""With `-m hunt` the properties are searched for hours, at random; see tests/conftest.py."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr == "hunt":
        for item in items:
            if "property" in item.path.parts:
                item.add_marker(pytest.mark.hunt)
                item.add_marker(pytest.mark.timeout(0))
