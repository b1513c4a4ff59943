"""One HTTP request and its answer, with the standard library: proxies and CA files as usual."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from imcaxy_invalidator import __version__
from imcaxy_invalidator.errors import Unreachable

LARGEST = 256 * 1024 * 1024  # bytes of an answer that are read
AGENT = f"imcaxy-invalidator/{__version__}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    fields: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def document(self) -> dict[str, Any] | None:
        """The JSON object in the body; None when it is something else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: whoever follows it would hand the token to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


_STRICT = urllib.request.build_opener(_NoRedirects)
_FOLLOWING = urllib.request.build_opener()


def ask(
    method: str,
    url: str,
    fields: Mapping[str, str],
    body: bytes | None = None,
    *,
    seconds: float,
    follow: bool = False,
) -> Answer:
    """The answer to one request, of its body at most `LARGEST` bytes.

    `seconds` bounds each wait for the network. Raises Unreachable where no whole answer came.
    """
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked: http or https
        url, data=body, method=method, headers={"User-Agent": AGENT, **fields}
    )
    opener = _FOLLOWING if follow else _STRICT
    try:
        try:
            opened = opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            opened = error
        with opened as reply:
            headers = {name.lower(): value for name, value in reply.headers.items()}
            return Answer(reply.status, headers, reply.read(LARGEST))
    except urllib.error.URLError as error:
        raise Unreachable(f"{url} does not answer: {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise Unreachable(f"{url} does not answer: {reason}") from None
