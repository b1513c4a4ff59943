"""Signatures of URLs: only links that were made with the key are answered.

HMAC-SHA256 over the path, directly followed by the query without `sign`: its pairs decoded, sorted
by name (values of one name keep their order) and encoded as a form. The digest stands in `sign`,
in URL-safe base64 without padding (RFC 4648 section 5). Imaginary's -enable-url-signature.
"""

import base64
import hashlib
import hmac
import re
from urllib.parse import quote_plus

from imcaxy.errors import SignatureMalformed, SignatureMismatch
from imcaxy.grammar.query import parse_pairs

NAME = "sign"

_BASE64 = re.compile("[A-Za-z0-9_-]*")


def sign_url(path: str, raw_query: str, key: bytes) -> str:
    """The signature of a request; a `sign` in the query does not count."""
    pairs = [(name, value) for name, value in parse_pairs(raw_query) if name != NAME]
    query = "&".join(
        f"{_escaped(name)}={_escaped(value)}"
        for name, value in sorted(pairs, key=lambda pair: pair[0].encode(errors="surrogateescape"))
    )
    return _text(hmac.new(key, f"{path}{query}".encode(), hashlib.sha256).digest())


def check_signature(path: str, raw_query: str, key: bytes) -> None:
    """Return when `sign` is the signature of the request.

    Raises SignatureMalformed for what is no base64, and SignatureMismatch; compared in constant
    time.
    """
    given = next((value for name, value in parse_pairs(raw_query) if name == NAME), "")
    if _BASE64.fullmatch(given) is None or len(given) % 4 == 1:
        raise SignatureMalformed(accepted="URL-safe base64 without padding")
    digest = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
    if not hmac.compare_digest(_text(digest), sign_url(path, raw_query, key)):
        raise SignatureMismatch(accepted=f"the parameter {NAME}, made with this server's key")


def _escaped(text: str) -> str:
    return quote_plus(text, safe="", errors="surrogateescape")


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
