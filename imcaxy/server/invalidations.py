"""The routes by which pictures are invalidated, and invalidations looked at (design §7)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from imcaxy.errors import (
    CatalogUnavailable,
    InvalidationMalformed,
    InvalidationUnknown,
    StoreError,
    TokenRefused,
)
from imcaxy.invalidation.asked import LONGEST, Asked, from_json, from_query, read_query
from imcaxy.invalidation.purge import Purger, Report
from imcaxy.invalidation.report import to_json
from imcaxy.server.answers import Answer
from imcaxy.server.application import Handler, Route, json_answer
from imcaxy.server.exchange import Exchange
from imcaxy.server.problems import Problem, from_error
from imcaxy.server.tokens import Tokens

NUMBERED = "/invalidations/"
CHALLENGE = ("WWW-Authenticate", 'Bearer realm="imcaxy"')  # RFC 6750 §3


class Invalidations:
    """Answers for whoever holds a token; 200 only when every instance has confirmed, else 202."""

    def __init__(self, purger: Purger, tokens: Tokens) -> None:
        self._purger = purger
        self._tokens = tokens

    def routes(self) -> tuple[Route, ...]:
        """Every route that needs a token."""
        return (
            Route("/invalidate", {"DELETE": self._guarded(self._invalidate)}),
            Route("/latestInvalidation", {"GET": self._guarded(self._latest)}),
            Route("/lastInvalidation", {"GET": self._guarded(self._latest)}),
            Route(NUMBERED, {"GET": self._guarded(self._status)}, below=True),
        )

    def _guarded(self, handler: Callable[[Exchange], Awaitable[Answer]]) -> Handler:
        async def guarded(exchange: Exchange) -> Answer | Problem:
            try:
                self._tokens.check(exchange.header("Authorization"))
            except TokenRefused as error:
                return replace(from_error(error), fields=(CHALLENGE,))
            try:
                return await handler(exchange)
            except StoreError as error:
                raise CatalogUnavailable(retry_after=1.0) from error

        return guarded

    async def _invalidate(self, exchange: Exchange) -> Answer:
        asked = await _asked(exchange)
        if asked.dry_run:
            return _answer(await self._purger.dry_run(asked))
        return _answer(await self._purger.purge(asked))

    async def _latest(self, exchange: Exchange) -> Answer:
        project = read_query(exchange.query).get("projectName", "")
        if not project or len(project) > LONGEST:
            raise InvalidationMalformed(
                "The request names no project.", value=project[:LONGEST], accepted="projectName=…"
            )
        return json_answer(200, to_json(await self._purger.latest(project)))

    async def _status(self, exchange: Exchange) -> Answer:
        text = exchange.path.removeprefix(NUMBERED)
        if not text.isdecimal() or len(text) > 15:
            raise InvalidationUnknown(
                value=text[:LONGEST], accepted="the number of an invalidation"
            )
        return json_answer(200, to_json(await self._purger.status(int(text))))


async def _asked(exchange: Exchange) -> Asked:
    body = await exchange.request.read()
    if not body.strip():
        return from_query(exchange.query)
    if exchange.query:
        raise InvalidationMalformed(
            "The call has a body and a query.",
            value=exchange.query[:LONGEST],
            accepted="one of them",
        )
    return from_json(body)


def _answer(report: Report) -> Answer:
    return json_answer(202 if report.unconfirmed else 200, to_json(report))
