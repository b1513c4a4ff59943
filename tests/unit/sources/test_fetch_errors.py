"""Every exception of aiohttp has a public sentence."""

import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from imcaxy.errors import SourceError, SourceFailed, SourceRefused, SourceTimeout
from imcaxy.sources.fetch_errors import FAILURES, ForbiddenAddressError, translated

INTERNAL = "/secret/10.0.0.7"


def classes(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from classes(child)


def instance(cls: type[BaseException]) -> Exception:
    """An exception of the class, without its constructor: each has its own parameters."""
    error = cls.__new__(cls)
    BaseException.__init__(error, INTERNAL)
    if isinstance(error, aiohttp.ClientConnectorError):
        error._os_error = OSError(INTERNAL)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error._certificate_error = ssl.CertificateError(INTERNAL)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize("cls", sorted(set(classes(aiohttp.ClientError)), key=str))
def test_translated_any_client_error_is_a_source_error_without_internals(
    cls: type[BaseException],
) -> None:
    error = instance(cls)
    assert isinstance(error, FAILURES)
    public = translated(error, "example.com")
    assert isinstance(public, SourceError)
    assert isinstance(public, SourceTimeout) == issubclass(cls, TimeoutError)
    assert public.value == "example.com"
    assert INTERNAL not in f"{public} {public.to_record()}"


def test_translated_forbidden_address_inside_a_connection_error_is_refused() -> None:
    key = ConnectionKey("example.com", 80, False, True, None, None, None)
    error = aiohttp.ClientConnectorError(key, ForbiddenAddressError())
    assert isinstance(translated(error, "example.com"), SourceRefused)


def test_translated_error_of_the_event_loop_is_a_failure() -> None:
    assert isinstance(translated(RuntimeError(INTERNAL), "example.com"), SourceFailed)
    assert isinstance(translated(TimeoutError(), "example.com"), SourceTimeout)
