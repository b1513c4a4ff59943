"""The routes by which pictures are invalidated, and invalidations looked at (design §7)."""

from functools import partial

from imcaxy.errors import InvalidationMalformed, InvalidationUnknown
from imcaxy.invalidation.asked import LONGEST, Asked, from_json, from_query, read_query
from imcaxy.invalidation.purge import Purger, Report
from imcaxy.invalidation.report import to_json
from imcaxy.server.answers import Answer
from imcaxy.server.application import Route, json_answer
from imcaxy.server.exchange import Exchange
from imcaxy.server.guard import guarded
from imcaxy.server.tokens import Tokens

NUMBERED = "/invalidations/"


class Invalidations:
    """Answers for whoever holds a token; 200 only when every instance has confirmed, else 202."""

    def __init__(self, purger: Purger, tokens: Tokens) -> None:
        self._purger = purger
        self._guard = partial(guarded, tokens)

    def routes(self) -> tuple[Route, ...]:
        """Every route that needs a token."""
        return (
            Route("/invalidate", {"DELETE": self._guard(self._invalidate)}),
            Route("/latestInvalidation", {"GET": self._guard(self._latest)}),
            Route("/lastInvalidation", {"GET": self._guard(self._latest)}),
            Route(NUMBERED, {"GET": self._guard(self._status)}, below=True),
        )

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
