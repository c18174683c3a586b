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


def test_cairn_waits_for_postgres_to_be_healthy(services: dict[str, Any]) -> None:
    assert services["postgres"]["healthcheck"]["test"]
    assert services["cairn"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_cairn_is_made_by_the_dockerfile_and_can_write_to_tmp_only(
    services: dict[str, Any],
) -> None:
    assert services["cairn"]["build"] == "."
    assert "healthcheck" not in services["cairn"], "it is the image's"
    assert services["cairn"]["read_only"] is True
    assert services["cairn"]["tmpfs"] == ["/tmp"]
    assert "volumes" not in services["cairn"]


def test_only_this_machine_can_connect(services: dict[str, Any]) -> None:
    assert "ports" not in services["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in services["cairn"]["ports"])


def test_its_settings_are_settings_and_its_data_have_a_volume(services: dict[str, Any]) -> None:
    set_here = [name for name in services["cairn"]["environment"] if name.startswith("CAIRN_")]

    assert {name.removeprefix("CAIRN_").lower() for name in set_here} <= set(Settings.model_fields)
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert not re.search(r"://[^/\s@]+:[^/\s@]+@", (ROOT / "compose.yaml").read_text("utf-8"))
