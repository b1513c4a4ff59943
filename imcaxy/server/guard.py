"""Routes that are for whoever holds a token."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from imcaxy.errors import CatalogUnavailable, StoreError, TokenRefused
from imcaxy.server.answers import Answer
from imcaxy.server.application import Handler
from imcaxy.server.exchange import Exchange
from imcaxy.server.problems import Problem, from_error
from imcaxy.server.tokens import Tokens

CHALLENGE = ("WWW-Authenticate", 'Bearer realm="imcaxy"')  # RFC 6750 §3


def guarded(tokens: Tokens, handler: Callable[[Exchange], Awaitable[Answer]]) -> Handler:
    """The handler behind the token; a catalog that fails is 503, to be asked again."""

    async def behind(exchange: Exchange) -> Answer | Problem:
        try:
            tokens.check(exchange.header("Authorization"))
        except TokenRefused as error:
            return replace(from_error(error), fields=(CHALLENGE,))
        try:
            return await handler(exchange)
        except StoreError as error:
            raise CatalogUnavailable(retry_after=1.0) from error

    return behind
