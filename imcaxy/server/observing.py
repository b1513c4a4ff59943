"""The routes by which operators look inside: /metrics for all, /stats and /explain by token."""

from imcaxy.errors import MalformedParameter, MissingParameter
from imcaxy.invalidation.asked import read_query
from imcaxy.proxy.base import Asked
from imcaxy.proxy.explaining import Observer, kept_of, to_json, verdict
from imcaxy.proxy.planning import Planner
from imcaxy.server.answers import Answer
from imcaxy.server.application import PICTURES, Route, json_answer, names_image
from imcaxy.server.exchange import Exchange, split_target
from imcaxy.server.exposition import MEDIA_TYPE, written
from imcaxy.server.guard import guarded
from imcaxy.server.headers import HARDENING
from imcaxy.server.tokens import Tokens
from imcaxy.server.vitals import Vitals
from imcaxy.store.catalog.base import Catalog
from imcaxy.store.figures import figures


class Observing:
    """Answers for one process: of several on one port, the one that took the connection."""

    def __init__(
        self,
        name: str,
        vitals: Vitals,
        planner: Planner,
        observer: Observer,
        catalog: Catalog,
    ) -> None:
        """`name` is the instance's in the catalog."""
        self._name = name
        self._vitals = vitals
        self._planner = planner
        self._observer = observer
        self._catalog = catalog

    def routes(self, tokens: Tokens) -> tuple[Route, ...]:
        """The three of them."""
        return (
            Route("/metrics", {"GET": self._metrics}),
            Route("/stats", {"GET": guarded(tokens, self._stats)}),
            Route("/explain", {"GET": guarded(tokens, self._explain)}),
        )

    async def _metrics(self, exchange: Exchange) -> Answer:
        body = written(self._vitals.metrics(), {"instance": self._name})
        fields = [("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store"), *HARDENING]
        return Answer(200, fields, (body,), len(body))

    async def _stats(self, exchange: Exchange) -> Answer:
        told = {"instance": self._name, "process": self._vitals.to_json()}
        if read_query(exchange.query).get("catalog") != "false":
            told["catalog"] = await figures(self._catalog)
        return json_answer(200, told)

    async def _explain(self, exchange: Exchange) -> Answer:
        target = read_query(exchange.query).get("target", "")
        plan = self._planner.plan(asked_of(target, exchange.header("Accept")))
        kept = await kept_of(self._catalog, plan)
        standing = self._observer.standing(plan.signature, kept.entry)
        log = self._vitals.log
        return json_answer(
            200,
            {
                "instance": self._name,
                "holds": standing.holding,
                "verdict": verdict(standing, kept),
                "applied": log.position.number,
                "current": standing.current,
                "cutOff": log.cut_off,
                "picture": to_json(plan, kept),
            },
        )


def asked_of(target: str, accept: str | None) -> Asked:
    """The request for a picture that a target, or a whole URL, is; raises RequestError."""
    if not target:
        raise MissingParameter(accepted=f"target={PICTURES}OPERATION?url=…, percent-encoded")
    path, query = split_target(target)
    if not path.startswith(PICTURES):
        raise MalformedParameter(
            "The target is not one of a picture.", value=path[:200], accepted=f"{PICTURES}OPERATION"
        )
    return Asked(
        operation=path[len(PICTURES) :],
        query=query.partition("#")[0],
        accept=accept,
        save_data=False,
        wants_image=accept is not None and names_image(accept),
    )
