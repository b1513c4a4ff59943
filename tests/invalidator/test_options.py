from pathlib import Path

import pytest

from imcaxy_invalidator import options
from imcaxy_invalidator.errors import Misused
from imcaxy_invalidator.options import GROUPS, KNOWN, Options, parser

SERVER = "https://images.example"
LEAST = ["--server", SERVER, "--map", "a/=https://site.example/"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_option_is_a_field_with_the_default_that_help_names() -> None:
    defaults = Options()
    assert set(KNOWN) == {*Options.__dataclass_fields__}
    for group in GROUPS.values():
        for it in group:
            if it.kind in {"seconds", "count"}:
                assert f"({getattr(defaults, it.name):g})" in it.text


def test_help_fits_one_screen() -> None:
    lines = parser().format_help().splitlines()
    assert 24 <= len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_options_win_over_environment_over_file(tmp_path: Path) -> None:
    (tmp_path / "imcaxy.toml").write_text(
        'server = "https://file.example"\nmap = ["f/=https://f.example/"]\nproject = "file"\n'
        'wait = 3\nattempts = 2\ndry-run = true\nexclude = ["x"]\n'
    )
    environment = {
        "IMCAXY_INVALIDATOR_SERVER": "https://environment.example",
        "IMCAXY_INVALIDATOR_MAP": "a b/=https://a.example/\n c/=https://c.example/\n\n",
        "IMCAXY_INVALIDATOR_WAIT": "4",
        "IMCAXY_INVALIDATOR_JSON": "yes",
        "IMCAXY_INVALIDATOR_TOKEN": "t",
        "IMCAXY_INVALIDATOR_PROJECT": "",
        "IMCAXY_PORT": "8080",
    }
    found = options.read(["--server", SERVER], environment)
    assert found == Options(
        server=SERVER,
        token="t",  # noqa: S106 - of a test
        map=("a b/=https://a.example/", "c/=https://c.example/"),
        project="file",
        wait=4.0,
        attempts=2,
        dry_run=True,
        exclude=("x",),
        json=True,
    )


def test_table_of_pyproject_counts_unless_there_is_a_file_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.imcaxy]\nserver = "https://table.example"\nmap = "a/=https://a.example/"\n'
    )
    assert options.read([], {}).server == "https://table.example"
    assert options.read([], {}).map == ("a/=https://a.example/",)
    (tmp_path / "imcaxy.toml").write_text('server = "https://own.example"\n')
    assert options.read(LEAST[2:], {}).server == "https://own.example"
    (tmp_path / "other.toml").write_text('server = "https://other.example"\n')
    assert options.read([*LEAST[2:], "--config", "other.toml"], {}).server == (
        "https://other.example"
    )


def test_file_is_looked_for_in_the_repository_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "imcaxy.toml").write_text('server = "https://site.example"\n')
    assert options.read([*LEAST[2:], "--repository", "site"], {}).server == "https://site.example"


@pytest.mark.parametrize(
    ("arguments", "environment", "file", "named"),
    [
        (LEAST[2:], {}, "", "--server"),
        (LEAST[:2], {}, "", "--map"),
        ([*LEAST[2:], "--server", "images.example"], {}, "", "'images.example' is no address"),
        (LEAST, {"IMCAXY_INVALIDATOR_SERVR": "x"}, "", "IMCAXY_INVALIDATOR_SERVR"),
        (LEAST, {"IMCAXY_INVALIDATOR_JSON": "maybe"}, "", "IMCAXY_INVALIDATOR_JSON"),
        ([*LEAST, "--wait", "soon"], {}, "", "--wait is a number of seconds, not 'soon'"),
        ([*LEAST, "--attempts", "0"], {}, "", "--attempts"),
        (LEAST, {}, 'token = "t"', "does not belong"),
        (LEAST, {}, "sever = 1", "sever is no setting"),
        (LEAST, {}, "project = 1", "project is a text"),
        (LEAST, {}, "map = [1]", "map is a list"),
        (LEAST, {}, "wait = true", "wait is a number"),
        (LEAST, {}, "=", "cannot be read"),
        ([*LEAST, "--config", "not-there.toml"], {}, "", "not-there.toml cannot be read"),
    ],
)
def test_mistake_is_named(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], file: str, named: str
) -> None:
    if file:
        (tmp_path / "imcaxy.toml").write_text(file)
    with pytest.raises(Misused, match=named):
        options.read(arguments, environment)


def test_unknown_option_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.read([*LEAST, "--dry"], {})
    assert end.value.code == 2
    assert "--dry" in capsys.readouterr().err
