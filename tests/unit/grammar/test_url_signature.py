import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcaxy.errors import SignatureMalformed, SignatureMismatch
from imcaxy.grammar.url_signature import check_signature, sign_url

KEY = b"4f46feebafc4b5e988f131c4ff8b5997"
QUERY = "file=imaginary.jpg&height=200&type=jpeg&width=300"
SIGN = "fJ6cxKpkrHx6crTeplArGYUIIz4q_Q0HFjR3hH6DkCQ"  # as a real Imaginary accepts it


def test_sign_known_request_gives_imaginarys_signature() -> None:
    assert sign_url("/resize", QUERY, KEY) == SIGN


@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY}&sign={SIGN}",
        f"sign={SIGN}&{QUERY}",
        f"width=300&type=jpeg&height=200&sign={SIGN}&file=imaginary.jpg",
        f"width=3%300&type=jpe%67&height=200&sign={SIGN}&file=imaginary.jpg",
        f"{QUERY}&sign={SIGN}&broken=%zz&also;broken",  # pairs that count as absent
    ],
)
def test_check_same_request_however_written_is_accepted(query: str) -> None:
    check_signature("/resize", query, KEY)


@pytest.mark.parametrize(
    ("path", "query", "key"),
    [
        ("/crop", f"{QUERY}&sign={SIGN}", KEY),
        ("/resize", f"{QUERY}1&sign={SIGN}", KEY),
        ("/resize", f"{QUERY}&quality=1&sign={SIGN}", KEY),
        ("/resize", f"{QUERY}&sign={SIGN}", KEY[::-1]),
        ("/resize", QUERY, KEY),
        ("/resize", f"{QUERY}&sign=", KEY),
        ("/resize", f"{QUERY}&sign=AAAA", KEY),
        ("/resize", f"{QUERY}&sign=AAAA&sign={SIGN}", KEY),  # the first one counts
    ],
)
def test_check_other_request_key_or_signature_is_a_mismatch(
    path: str, query: str, key: bytes
) -> None:
    with pytest.raises(SignatureMismatch):
        check_signature(path, query, key)


@pytest.mark.parametrize(
    "sign", [f"{SIGN}%3D", "a", "a*bc", "%C3%BC", "ab+c", "ab%2Bc", "=", "ab/c"]
)
def test_check_what_is_no_base64_is_malformed(sign: str) -> None:
    with pytest.raises(SignatureMalformed):
        check_signature("/resize", f"{QUERY}&sign={sign}", KEY)


def test_sign_values_of_one_name_keep_their_order_and_url_is_encoded() -> None:
    query = "url=http://host.test/a b.jpg?x=1%262&width=1&width=0&text=%C3%BC*~"
    signed = (
        "/resizetext=%C3%BC%2A~&url=http%3A%2F%2Fhost.test%2Fa+b.jpg%3Fx%3D1%262&width=1&width=0"
    )
    digest = hmac.new(KEY, signed.encode(), hashlib.sha256).digest()
    assert sign_url("/resize", query, KEY) == base64.urlsafe_b64encode(digest).decode().rstrip("=")


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=40)
)
def test_sign_any_query_is_accepted_with_its_signature(query: str) -> None:
    signed = f"{query}&sign={sign_url('/resize', query, KEY)}"
    if "sign=" not in query and "%73" not in query:
        check_signature("/resize", signed, KEY)
