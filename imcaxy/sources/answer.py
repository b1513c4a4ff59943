"""What an origin's answer must be before its body counts as a source."""

from io import BytesIO

import aiohttp

from imcaxy.errors import SourceEmpty, SourceError, SourceFailed, SourceMissing, SourceTooLarge


def check_answer(response: aiohttp.ClientResponse, max_bytes: int) -> int:
    """The most bytes that the body can have; raises SourceError unless it can be taken whole.

    A body that only the end of the connection delimits is refused: where it was cut cannot be told
    from where it ends (RFC 9112 section 8).
    """
    host = response.url.host
    if response.status != 200:
        raise _unwanted(response.status, host)
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        raise SourceFailed(
            "The source's server sent an encoded body though none was asked for.",
            value=coding[:40],
            accepted="Content-Encoding: identity",
        )
    transfer = response.headers.get("Transfer-Encoding")
    if transfer is not None:
        if transfer.strip().lower() != "chunked":
            raise SourceFailed(
                "The source's server sent its body in a coding that we do not read.",
                value=transfer[:40],
                accepted="Transfer-Encoding: chunked",
            )
        return max_bytes
    length = response.content_length
    if length is None:
        raise SourceFailed(
            "The source's server does not say how long the image is, so a cut could go unseen.",
            value=host,
            accepted="Content-Length, or Transfer-Encoding: chunked",
        )
    if length > max_bytes:
        raise too_large(length, max_bytes)
    return length


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The whole body, counted while it comes.

    Raises SourceTooLarge, SourceEmpty, and SourceFailed when it is cut.
    """
    length = None if "Transfer-Encoding" in response.headers else response.content_length
    body, size = BytesIO(), 0  # grows in place and gives its bytes away without a copy
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise too_large(size, max_bytes)
        body.write(chunk)
    if size == 0 and not length:
        raise SourceEmpty(value=response.url.host)
    if length is not None and size != length:
        raise SourceFailed(
            "The source's server broke off before the image was whole.", value=response.url.host
        )
    return body.getvalue()


def too_large(size: int, max_bytes: int) -> SourceTooLarge:
    """The error for a source of at least `size` bytes."""
    return SourceTooLarge(
        "The source has more bytes than allowed.",
        value=f"{size} bytes",
        accepted=f"at most {max_bytes} bytes",
    )


def _unwanted(status: int, host: str | None) -> SourceError:
    if status in (404, 410):
        return SourceMissing(f"The source's server answered {status}.", value=host)
    return SourceFailed(
        f"The source's server answered {status}.", value=host, accepted="status 200"
    )
