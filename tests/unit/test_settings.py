import os

import pytest

from imcaxy.settings import Settings
from imcaxy.settings_values import Secret


def test_running_zero_processes_is_one_per_core() -> None:
    assert Settings().running == os.cpu_count()


def test_running_is_the_number_of_processes() -> None:
    assert Settings(processes=3).running == 3


def test_instance_has_a_name_of_its_own() -> None:
    machine, _, process = Settings().instance_name.rpartition("/")
    assert machine
    assert process == str(os.getpid())
    assert Settings(instance="web-1").instance_name == f"web-1/{process}"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", ()), ("one", ("one",)), ("old-token, new-token", ("old-token", "new-token")), (",", ())],
)
def test_tokens_are_those_between_commas(text: str, tokens: tuple[str, ...]) -> None:
    assert Settings(invalidate_security_token=Secret(text)).tokens == tokens


def test_settings_show_no_secret() -> None:
    settings = Settings(minio_secret_key=Secret("hidden"))
    assert "hidden" not in f"{settings!r} {settings}"
    assert settings.minio_secret_key.reveal() == "hidden"
