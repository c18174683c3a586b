"""`compose.yaml`, as far as it can be judged without an engine."""

import re
from typing import Any

import pytest
import yaml

from api.settings import Settings
from tests.cli.conftest import ROOT


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    found: dict[str, Any] = compose["services"]
    return found


def test_both_have_a_health_check_and_cairn_waits_for_postgres(services: dict[str, Any]) -> None:
    assert all(service["healthcheck"]["test"] for service in services.values())
    assert services["cairn"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_only_this_machine_can_connect(services: dict[str, Any]) -> None:
    assert "ports" not in services["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in services["cairn"]["ports"])


def test_the_image_runs_as_nobody_in_particular_and_has_all_packages(
    services: dict[str, Any],
) -> None:
    lines = services["cairn"]["build"]["dockerfile_inline"].splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}

    assert "USER cairn" in lines
    for package in ("api", "application", "domain", "infrastructure", "migrations", "uv.lock"):
        assert package in copied
        assert (ROOT / package).exists()


def test_its_settings_are_settings_and_its_data_have_a_volume(services: dict[str, Any]) -> None:
    set_here = [name for name in services["cairn"]["environment"] if name.startswith("CAIRN_")]

    assert {name.removeprefix("CAIRN_").lower() for name in set_here} <= set(Settings.model_fields)
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert not re.search(r"://[^/\s@]+:[^/\s@]+@", (ROOT / "compose.yaml").read_text("utf-8"))
