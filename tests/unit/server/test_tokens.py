import hmac

import pytest

from imcaxy.errors import TokenRefused, TokenUnset
from imcaxy.server.tokens import Tokens

TOKENS = Tokens(("old-token", "new-token"))


@pytest.mark.parametrize(
    "authorization",
    ["Bearer old-token", "Bearer new-token", "bearer  new-token ", "BEARER new-token", "new-token"],
)
def test_token_opens_with_and_without_its_scheme(authorization: str) -> None:
    TOKENS.check(authorization)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer old-toke",
        "Bearer old-token2",
        "Basic old-token",
        "old-token,new-token",
        "Bearer \udcff",
    ],
)
def test_anything_else_is_refused(authorization: str | None) -> None:
    with pytest.raises(TokenRefused):
        TOKENS.check(authorization)


def test_every_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times cannot be told apart on a busy machine; what is called can."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return real(given, token)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    TOKENS.check("Bearer old-token")
    assert [token for _, token in compared] == [b"old-token", b"new-token"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer x"])
def test_server_without_a_token_is_closed_and_names_the_setting(authorization: str | None) -> None:
    with pytest.raises(TokenUnset) as caught:
        Tokens(()).check(authorization)
    assert "IMCAXY_INVALIDATE_SECURITY_TOKEN" in (caught.value.accepted or "")
