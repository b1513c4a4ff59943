"""The compose files are ones that Docker Compose understands (python -m services build compose)."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import real

DOCKER = Path(__file__).resolve().parents[2] / "docker"
pytestmark = pytest.mark.integration("compose")
NAMES = sorted(path.name for path in DOCKER.glob("compose*.yaml"))
PRODUCTION = "compose.production.yaml"
STACKS = [name for name in NAMES if name != PRODUCTION]


def configured(name: str) -> dict[str, Any]:
    program = real.address("compose")
    command = [program, "--file", str(DOCKER / name), "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # warnings
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", STACKS)
def test_config_is_valid(name: str) -> None:
    assert {"server", "imaginary", "minio", "mongo"} <= configured(name)["services"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_server_has_a_read_only_root_and_no_privileges(name: str) -> None:
    server = configured(name)["services"]["server"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in server["security_opt"]


@pytest.mark.parametrize("name", STACKS)
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    services = configured(name)["services"].values()
    ports = [port for service in services for port in service.get("ports", ())]
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)


@pytest.mark.parametrize("name", NAMES)
def test_images_have_a_version(name: str) -> None:
    for service in configured(name)["services"].values():
        if "build" not in service:
            _, _, tag = service["image"].rpartition(":")
            assert any(mark.isdigit() for mark in tag), service["image"]


def test_production_reaches_the_server_by_caddy_alone() -> None:
    services = configured(PRODUCTION)["services"]
    assert services.keys() == {"server", "caddy"}
    assert "ports" not in services["server"]
    assert {port["target"] for port in services["caddy"]["ports"]} == {80, 443}
    for service in services.values():
        assert service["restart"] == "unless-stopped"
        assert int(service["mem_limit"]) > 0
        assert service["read_only"] is True
    assert services["server"]["user"] == "10001:10001"


def test_development_imaginary_and_mongo_have_no_way_out() -> None:
    found = configured("compose.dev.yaml")
    assert found["networks"]["inner"]["internal"] is True
    for name in ("imaginary", "mongo"):
        assert found["services"][name]["networks"].keys() == {"inner"}
