"""Two ways to run: as everybody does, the same every time; and `-m hunt`, long and at random."""

import pytest
from hypothesis import HealthCheck, settings

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "cairn",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=_SLOW_IS_FINE,
)
settings.register_profile(
    "cairn-hunt",
    settings.get_profile("cairn"),
    max_examples=5_000,
    derandomize=False,
    print_blob=True,
)


def _hunting(config: pytest.Config) -> bool:
    return config.option.markexpr == "hunt"


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("cairn-hunt" if _hunting(config) else "cairn")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _hunting(config):
        for item in items:
            if "property" in item.path.parts:
                item.add_marker(pytest.mark.hunt)
                item.add_marker(pytest.mark.timeout(0))
