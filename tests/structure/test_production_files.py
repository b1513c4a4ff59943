"""What docs/production.md has people run: its settings, and bounds that fit each other."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from imcaxy.settings import Settings
from imcaxy.settings_reading import load
from imcaxy.settings_values import MIB

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker" / "compose.production.yaml").read_text()
UNIT = (ROOT / "config" / "systemd" / "imcaxy.service").read_text()
ENVIRONMENT = (ROOT / "config" / "systemd" / "imcaxy.env").read_text()
PAGE = (ROOT / "docs" / "production.md").read_text()

SERVER, ABOVE = 80, 50  # MiB: docs/limits.md; each worker, and the process that starts several
READING, ARRIVING, WAITING = 32, 6, 26 + 16  # MiB, the last two for each process


def in_compose() -> dict[str, str]:
    rows = re.findall(r'^\s+(IMCAXY_[A-Z_]+): "?([^"\s]+)', COMPOSE, re.MULTILINE)
    return dict(rows)


def in_unit() -> dict[str, str]:
    return dict(re.findall(r"^(IMCAXY_[A-Z_]+)=(\S+)$", ENVIRONMENT, re.MULTILINE))


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, f"no {pattern}"
    return match[1]


def settings(monkeypatch: pytest.MonkeyPatch, chosen: Mapping[str, str]) -> Settings:
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return load()


both = pytest.mark.parametrize(
    ("chosen", "bound", "patience", "files"),
    [
        (
            in_compose(),
            found(r"mem_limit: (\d+)m", COMPOSE),
            found(r"stop_grace_period: (\d+)s", COMPOSE),
            found(r"nofile: (\d+)", COMPOSE),
        ),
        (
            in_unit(),
            found(r"^MemoryMax=(\d+)M$", UNIT),
            found(r"^TimeoutStopSec=(\d+)$", UNIT),
            found(r"^LimitNOFILE=(\d+)$", UNIT),
        ),
    ],
    ids=["compose", "systemd"],
)


@both
def test_production_bounds_are_above_what_the_settings_allow(
    monkeypatch: pytest.MonkeyPatch,
    chosen: dict[str, str],
    bound: str,
    patience: str,
    files: str,
) -> None:
    chosen_ = settings(monkeypatch, chosen)
    held = chosen_.memory_limit + chosen_.stream_limit + chosen_.download_limit
    each = chosen_.max_variant_bytes / MIB + ARRIVING + WAITING
    most = SERVER * chosen_.workers + ABOVE * (chosen_.workers > 1) + held / MIB + READING
    most += chosen_.processes * each + chosen_.making_limit / MIB * 9 / 8
    assert most <= int(bound)
    assert f"{most:.0f} MiB" in (COMPOSE if chosen == in_compose() else ENVIRONMENT)
    assert int(patience) > chosen_.drain_timeout + 5
    assert int(files) > chosen_.max_connections
    assert "*" not in chosen_.allowed_domains
    assert not chosen_.dev


def test_production_says_the_bounds_of_its_files() -> None:
    for text in ("2480 MiB", "2610 MiB", "2560 MiB", "2688 MiB"):
        assert text in PAGE
    assert "mem_limit: 2560m" in COMPOSE
    assert "MemoryMax=2688M" in UNIT


def test_production_files_have_no_secret() -> None:
    secret = re.compile(r"^\s*IMCAXY_[A-Z_]*(?:TOKEN|KEY|CONNECTION_STRING)", re.MULTILINE)
    for text in (COMPOSE, ENVIRONMENT):
        assert not secret.search(text)


def test_unit_runs_the_program_that_is_installed_without_rights() -> None:
    makefile = (ROOT / "Makefile").read_text()
    prefix = found(r"^install: PREFIX \?= (\S+)$", makefile)
    assert found(r"^ExecStart=(\S+) serve$", UNIT) == f"{prefix}/bin/imcaxy"
    assert found(r"^User=(\S+)$", UNIT) != "root"
    assert found(r"^StateDirectory=(\S+)$", UNIT) == in_unit()["IMCAXY_DATA_DIR"].rpartition("/")[2]
    assert found(r"^EnvironmentFile=(\S+)$", UNIT) in PAGE
