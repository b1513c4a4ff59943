"""The image, and the env files that stand beside it."""

import re
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imcaxy.settings import Settings
from imcaxy.settings_reading import load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "config" / "env" / "examples"
KUBERNETES = ROOT / "docker" / "kubernetes"
PARTS = ("Server", "Imaginary", "Minio", "Mongo")
FORMS = ("", "Dev.", "IntegrationTests.")
SECRET = re.compile(r"KEY|PASSWORD|TOKEN|CONNECTION_STRING")
HADOLINT = Path(sysconfig.get_path("scripts"), "hadolint")


def env_file(form: str, part: str) -> dict[str, str]:
    lines = (EXAMPLES / f"{form}Imcaxy.{part}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def secrets(form: str) -> Iterator[tuple[str, str]]:
    for part in PARTS:
        for name, value in env_file(form, part).items():
            if SECRET.search(name):
                yield name, value


@pytest.mark.parametrize("form", FORMS)
def test_env_examples_are_settings_that_work_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    for part in PARTS:
        for name, value in env_file(form, part).items():
            if name.startswith("IMCAXY_"):
                # The samples lie elsewhere in a container.
                monkeypatch.setenv(name, str(tmp_path) if value == "/samples" else value)
    settings = load()
    assert settings.imaginary_service_url
    assert settings.minio_endpoint
    assert settings.mongo_connection_string != Settings().mongo_connection_string


@pytest.mark.parametrize("form", FORMS)
def test_env_examples_set_nothing_twice(form: str) -> None:
    names = [name for part in PARTS for name in env_file(form, part)]
    assert len(set(names)) == len(names)


def test_env_examples_have_secrets_to_change_or_of_one_machine() -> None:
    assert all("change-me" in value for _, value in secrets(""))
    for form in FORMS[1:]:
        for name, value in secrets(form):
            assert value.startswith(("local-", "mongodb://mongo:", "mongodb://127.0.0.1:")), name


def test_env_examples_are_those_that_are_described() -> None:
    expected = {f"{form}Imcaxy.{part}.env" for form in FORMS for part in PARTS}
    assert {path.name for path in EXAMPLES.iterdir()} == expected


def test_image_has_what_the_package_needs_in_the_tested_versions() -> None:
    def pinned(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))

    run, dev = pinned("run"), pinned("dev")
    assert {name: dev.get(name) for name in run} == run, "run `make lock`"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[\[<>=~! ;]", item)[0].lower() for item in project["dependencies"]}
    assert needed - run.keys() == set(), "run `make lock`"


def test_dockerfile_passes_the_linter() -> None:
    if not HADOLINT.exists():
        pytest.skip("hadolint is published for Linux on x86-64 only")
    dockerfile = ROOT / "docker" / "Dockerfile"
    found = subprocess.run([HADOLINT, dockerfile], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_dockerfile_ends_without_rights_and_asks_the_program_for_its_health() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    server = text[text.index(" AS server") : text.index(" AS tests")]
    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", server, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .* CMD \["imcaxy", "health"\]$', server, re.MULTILINE)
    assert text.rstrip().endswith("FROM server")


def test_whoever_stops_the_program_waits_longer_than_it_drains() -> None:
    drain = Settings().drain_timeout
    manifest = (KUBERNETES / "imcaxy.yaml").read_text()
    grace, pause = (
        int(re.findall(pattern, manifest)[0])
        for pattern in (r"terminationGracePeriodSeconds: (\d+)", r'\[sleep, "(\d+)"\]')
    )
    compose = (ROOT / "docker" / "compose.dev.yaml").read_text()
    told = (ROOT / "docs" / "fleet.md").read_text()
    stops = [
        grace - pause,
        int(re.findall(r"stop_grace_period: (\d+)s", compose)[0]),
        int(re.findall(r"--stop-timeout (\d+)", told)[0]),
    ]
    assert min(stops) > drain + 5


def test_manifests_name_settings_and_no_secret_that_works() -> None:
    text = (KUBERNETES / "imcaxy.yaml").read_text()
    named = dict(re.findall(r"^\s+(?:# )?IMCAXY_([A-Z_]+): (.+)$", text, re.MULTILINE))
    assert "MONGO_CONNECTION_STRING" in named
    assert {name.lower() for name in named} <= vars(Settings()).keys()
    secret = {name: value for name, value in named.items() if SECRET.search(name)}
    assert all("change-me" in value or value == '""' for value in secret.values())
