"""Who may invalidate: bearer tokens, compared in constant time (RFC 6750 §2.1)."""

import hmac

from imcaxy.errors import TokenRefused, TokenUnset

SETTING = "IMCAXY_INVALIDATE_SECURITY_TOKEN"


class Tokens:
    """The tokens that open protected routes; two while one replaces the other."""

    def __init__(self, accepted: tuple[str, ...]) -> None:
        self._accepted = tuple(token.encode() for token in accepted)

    def check(self, authorization: str | None) -> None:
        """Return when the `Authorization` field holds a token, with or without `Bearer`.

        Raises TokenUnset when this server has none, TokenRefused for any other value.
        """
        if not self._accepted:
            raise TokenUnset(accepted=f"a server that is started with {SETTING}")
        given = (authorization or "").strip()
        scheme, _, rest = given.partition(" ")
        text = rest.strip() if rest and scheme.lower() == "bearer" else given
        candidate = text.encode("utf-8", "surrogateescape")
        # Every token is compared, so that the time tells nothing of which one was close.
        matches = [hmac.compare_digest(candidate, token) for token in self._accepted]
        if not any(matches):
            raise TokenRefused(accepted="Authorization: Bearer TOKEN")
