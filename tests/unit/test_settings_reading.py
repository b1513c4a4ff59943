import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import SettingsError
from imcaxy.settings import Settings
from imcaxy.settings_reading import DECLARED, load, shown
from imcaxy.settings_rules import Rules
from imcaxy.settings_text import environment, variable, written
from imcaxy.settings_values import MIB


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("IMCAXY_"):
            monkeypatch.delenv(name)


def mistakes(**flags: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**flags)
    return caught.value.detail.splitlines()


def test_load_nothing_set_gives_the_defaults() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.source_dir is None
    assert settings.memory_limit == 256 * MIB


def test_load_nothing_set_is_what_is_declared() -> None:
    assert load() == Settings()


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_load_gives_each_default_its_declared_type(name: str) -> None:
    declared, here, read = DECLARED[name].default, getattr(Settings(), name), getattr(load(), name)
    assert type(read) is type(here) is type(declared)


def test_rules_are_about_settings_that_are_there() -> None:
    rules = Rules.__pydantic_decorators__.field_validators.values()
    assert {name for rule in rules for name in rule.info.fields} <= DECLARED.keys()


def test_load_flag_wins_over_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_PORT", "81")
    assert load(port="82", host=None).port == 82


def test_load_reports_every_mistake_with_name_value_and_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMCAXY_PORT", "99999")
    monkeypatch.setenv("IMCAXY_MAX_AGE", "soon")
    monkeypatch.setenv("IMCAXY_FALLBACK", "maybe")
    monkeypatch.setenv("IMCAXY_PROT", "1")
    found = mistakes(workers="65")
    assert found == [
        "IMCAXY_PROT: there is no such setting; did you mean IMCAXY_PORT?",
        "IMCAXY_PORT=99999: must be 65535 or less. "
        "TCP port to listen on; 0 lets the system choose.",
        "--workers 65: must be 64 or less. Server processes that share the port and the limits.",
        "IMCAXY_MAX_AGE=soon: must be a whole number. "
        "Seconds that browsers keep a picture (max-age).",
        "IMCAXY_FALLBACK=maybe: must be 'none' or 'source'. "
        "What an `<img>` gets when no picture can be made: an error, or the source.",
    ]


@pytest.mark.parametrize("name", ["IMCAXY_FOO", "imcaxy_foo", "IMCAXY_"])
def test_load_unknown_variable_is_a_mistake(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert mistakes() == [f"{name}: there is no such setting"]


def test_load_variables_of_the_ci_tool_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_INVALIDATOR_TOKEN", "x")
    assert load() == Settings()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "-1", "must be 0 or more"),
        ("PORT", "80.5", "must be a whole number"),
        ("MEMORY_LIMIT", "1000", "must be 1MiB or more"),
        ("MEMORY_LIMIT", "-5GiB", "must be a size such as 64MiB"),
        ("MEMORY_LIMIT", "12XB", "must be a size such as 64MiB"),
        ("MEMORY_LIMIT", "much", "must be a size such as 64MiB"),
        ("FETCH_TIMEOUT", "0", "must be more than 0"),
        ("FETCH_TIMEOUT", "soon", "must be a number"),
        ("FETCH_TIMEOUT", "inf", "3600 or less"),
        ("FETCH_TIMEOUT", "nan", "3600 or less"),
        ("DEV", "perhaps", "must be true or false"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8", "host bits set"),
        ("ALLOWED_NETWORKS", "example.com", "does not appear to be"),
        ("ALLOWED_DOMAINS", "https://example.com", "leave scheme and path out"),
        ("ALLOWED_DOMAINS", "", "write * for every host"),
        ("ALLOWED_DOMAINS", " , ", "write * for every host"),
        ("ALLOWED_ORIGINS", "", "write * for every host"),
        ("NAMESERVERS", "dns.example.com", "is not an address, address:port"),
        ("NAMESERVERS", "127.0.0.1:0", "is not an address, address:port"),
        ("WIDTH_RULE", "on", "must be 'off', 'snap' or 'strict'"),
        ("WIDTHS", "x", "must be a whole number"),
        ("WIDTHS", "64,64", "must be whole numbers from 1 to 65535 in rising order"),
        ("WIDTHS", "0,64", "must be whole numbers from 1 to 65535 in rising order"),
        ("AUTO_FORMATS", "webp,gif", "'gif' is not one of avif, webp, png"),
        ("IMAGINARY_SERVICE_URL", "ftp://host", "not an http or https address"),
        ("IMAGINARY_SERVICE_URL", "http://host/?key=1", "not an http or https address"),
    ],
)
def test_load_value_out_of_range_is_one_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"IMCAXY_{name}", value)
    (found,) = mistakes()
    assert found.startswith(f"IMCAXY_{name}")
    assert value in found
    assert reason in found


def test_load_source_dir_that_is_absent_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMCAXY_SOURCE_DIR", str(tmp_path / "absent"))
    assert "there is no such directory" in mistakes()[0]


@pytest.mark.parametrize(
    ("whole", "part"),
    [("STREAM_LIMIT", "MAX_VARIANT_BYTES"), ("DOWNLOAD_LIMIT", "MAX_SOURCE_BYTES")],
)
def test_load_limit_below_its_largest_item_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, whole: str, part: str
) -> None:
    monkeypatch.setenv(f"IMCAXY_{whole}", "16MiB")
    (found,) = mistakes()
    assert found.startswith(f"IMCAXY_{part}=")
    assert f"larger than IMCAXY_{whole} (16MiB)" in found


def test_load_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_IMAGINARY_SERVICE_URL", "http://user:hunter2@host")
    (found,) = mistakes()
    assert "hunter2" not in found
    assert "http://***@host" in found


def test_load_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "SOURCE_DIR", "SHARED_MAX_AGE", "NAMESERVERS"):
        monkeypatch.setenv(f"IMCAXY_{name}", "")
    assert load() == Settings()


def test_lists_are_split_trimmed_and_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_ALLOWED_DOMAINS", " Example.com, *.B.org ,")
    assert load().allowed_domains == ("example.com", "*.b.org")


def test_imaginary_service_url_without_scheme_is_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_IMAGINARY_SERVICE_URL", "imaginary:9000/")
    assert load().imaginary_service_url == ("http://imaginary:9000",)


def test_imaginary_service_url_names_several_and_keeps_their_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMCAXY_IMAGINARY_SERVICE_URL", "one:9000, https://two/Prefix/,")
    assert load().imaginary_service_url == ("http://one:9000", "https://two/Prefix")


@pytest.mark.parametrize(
    "text", ["one,ftp://two", "http://user:secret@one", "one?x=1", "one,http://one/"]
)
def test_imaginary_service_url_mistakes_are_named(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("IMCAXY_IMAGINARY_SERVICE_URL", text)
    with pytest.raises(SettingsError, match="IMCAXY_IMAGINARY_SERVICE_URL") as raised:
        load()
    assert "secret" not in str(raised.value)


def test_tokens_are_two_at_most_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_INVALIDATE_SECURITY_TOKEN", "old-token, new-token")
    settings = load()
    assert "old-token" not in str([*shown(settings), settings])
    for wrong in ("a,b,c-token", "with space", "not-äscii"):
        monkeypatch.setenv("IMCAXY_INVALIDATE_SECURITY_TOKEN", wrong)
        with pytest.raises(SettingsError) as caught:
            load()
        assert wrong not in str(caught.value)


def test_shown_tells_where_each_value_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_MAX_AGE", "60")
    monkeypatch.setenv("IMCAXY_PORT", "81")
    rows = {row.variable: row for row in shown(load(port="82"), port="82")}
    assert rows["IMCAXY_MAX_AGE"][1:] == ("60", "environment")
    assert rows["IMCAXY_PORT"][1:] == ("82", "flag")
    assert rows["IMCAXY_HOST"][1:] == ("127.0.0.1", "default")
    assert rows.keys() == {variable(name) for name in DECLARED}


def test_environment_carries_flags_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_MAX_AGE", "60")
    handed = environment(dev=True, workers="2", port=None)
    assert handed["IMCAXY_DEV"] == "true"
    assert handed["IMCAXY_WORKERS"] == "2"
    assert handed["IMCAXY_MAX_AGE"] == "60"
    assert "IMCAXY_PORT" not in handed


@given(st.integers(MIB, 2**50))
def test_written_size_is_read_back_as_it_was(size: int) -> None:
    settings = load(memory_limit=str(size))
    again = load(memory_limit=written(settings.memory_limit))
    assert again.memory_limit == size


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_written_default_is_read_back_as_it_was(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(variable(name), written(getattr(Settings(), name)))
    assert load() == Settings()


STACK = {
    "IMCAXY_MONGO_CONNECTION_STRING": "mongodb://me:hidden-1@one:27017,two/imcaxy?replicaSet=rs0",
    "IMCAXY_MINIO_ENDPOINT": "minio:9000",
    "IMCAXY_MINIO_ACCESS_KEY": "access",
    "IMCAXY_MINIO_SECRET_KEY": "hidden-2",
}


def set_all(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_secrets_are_shown_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, STACK)
    settings = load()
    seen = {row.variable: row.value for row in shown(settings)}
    assert seen["IMCAXY_MONGO_CONNECTION_STRING"] == "mongodb://***@one:27017,two/imcaxy?***"
    assert seen["IMCAXY_MINIO_SECRET_KEY"] == "***"  # noqa: S105 - what hides it
    assert "hidden" not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    "text",
    [
        "mongo://me:hidden@host/",
        "me:hidden@host",
        "mongodb://me:hid/den@host/imcaxy",
        "mongodb://me:hid?den@host/imcaxy",
        "mongodb:// me:hidden@host",
    ],
)
def test_mistaken_connection_string_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("IMCAXY_MONGO_CONNECTION_STRING", text)
    monkeypatch.setenv("IMCAXY_PORT", "x")  # one more mistake, so that all are printed
    told = "\n".join(mistakes())
    assert "hid" not in told
    assert "den" not in told


def test_bucket_without_keys_and_shared_catalog_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMCAXY_MINIO_ENDPOINT", "minio:9000")
    (mistake,) = mistakes()
    for name in STACK.keys() - {"IMCAXY_MINIO_ENDPOINT"}:
        assert name in mistake


def test_bucket_with_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, STACK)
    monkeypatch.delenv("IMCAXY_MONGO_CONNECTION_STRING")
    (mistake,) = mistakes()
    assert "IMCAXY_MONGO_CONNECTION_STRING must be set too" in mistake
    assert "share" in mistake


@pytest.mark.parametrize("endpoint", ["http://minio:9000", "minio:9000/", "minio:port", "a b", "@"])
def test_endpoint_that_is_no_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    set_all(monkeypatch, STACK | {"IMCAXY_MINIO_ENDPOINT": endpoint})
    (mistake,) = mistakes()
    assert "host:port" in mistake


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "minio", "[::1]:9000", "s3.eu.example.com"])
def test_endpoint_of_a_host_is_taken(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    set_all(monkeypatch, STACK | {"IMCAXY_MINIO_ENDPOINT": endpoint})
    assert load().minio_endpoint == endpoint


def test_bucket_name_that_no_server_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, STACK | {"IMCAXY_MINIO_BUCKET": "My_Bucket"})
    (mistake,) = mistakes()
    assert "IMCAXY_MINIO_BUCKET=My_Bucket" in mistake
