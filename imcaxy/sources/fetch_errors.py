"""aiohttp's exceptions in this program's words."""

import aiohttp
from aiohttp.http import HttpProcessingError

from imcaxy.errors import SourceError, SourceFailed, SourceTimeout
from imcaxy.sources.resolving import refused


class ForbiddenAddressError(OSError):
    """A socket was about to be connected to an address that is not allowed."""


# What aiohttp and the event loop raise: HttpProcessingError is no ClientError, a URL that cannot be
# sent is a ValueError, and uvloop reports some failed connections as RuntimeError.
FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError, RuntimeError)


def translated(error: Exception, host: str) -> SourceError:
    """The public error for what went wrong while fetching from `host`.

    Tells the kind of failure, never a library's text: that may hold addresses and file names.
    """
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddressError):
        return refused(host)
    if isinstance(error, TimeoutError):
        return SourceTimeout("The source's server did not deliver the image in time.", value=host)
    return SourceFailed(_sentence(error), value=host)


def _sentence(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "The certificate of the source's server is not valid."
    if isinstance(error, (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch)):
        return "No secure connection to the source's server could be made."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "The source's server cannot be reached."
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        return "The source's server broke off before the image was whole."
    if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
        return "The source's server sent an answer that is not valid HTTP."
    return "The source's server failed to deliver the image."
