"""Routes, and what every request has in common: an id, an answer whatever happens, a log line."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import orjson
from aiohttp import web

from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError, InternalError, MethodNotAllowed, RouteUnknown
from imcaxy.grammar.url_signature import check_signature
from imcaxy.proxy.base import Asked, Proxy, Served
from imcaxy.server.access_log import AccessLog
from imcaxy.server.answers import Answer, Finished, Sender, cut
from imcaxy.server.conditionals import Conditions, names_tag
from imcaxy.server.exchange import Exchange, RequestIds
from imcaxy.server.fast_lane import FastLane
from imcaxy.server.headers import HARDENING, vary
from imcaxy.server.origins import Fields, Origins
from imcaxy.server.pictures import picture
from imcaxy.server.policy import Health, HttpPolicy
from imcaxy.server.posting import body_of
from imcaxy.server.problems import (
    BODY_TOO_LARGE,
    EXPECTATION_FAILED,
    INTERNAL,
    MALFORMED,
    Problem,
    from_error,
)
from imcaxy.sources.bodies import Bodies

PICTURES = "/imaginary/"
_NO_CONDITIONS = Conditions()  # they are for what can be kept

Handler = Callable[[Exchange], Awaitable[Answer | Problem]]

_log = logging.getLogger("imcaxy.server")


@dataclass(frozen=True, slots=True)
class Route:
    """A path and its handlers by method; HEAD is answered as GET without the body."""

    path: str  # raw and undecoded, exact
    handlers: Mapping[str, Handler]
    below: bool = False  # whether it answers for every path that begins with its own


def json_answer(status: int, value: object, *fields: tuple[str, str]) -> Answer:
    """An answer that nobody keeps, with `value` as JSON."""
    body = orjson.dumps(value)
    kept = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    return Answer(status, [*kept, *HARDENING, *fields], (body,), len(body))


class Application:
    """Answers each request exactly once, logs it once, and lets no exception reach aiohttp."""

    def __init__(  # noqa: PLR0913 - the parts of a server, named at the one call
        self,
        proxy: Proxy,
        policy: HttpPolicy,
        health: Callable[[], Health],
        clock: Clock,
        log: AccessLog,
        extra_routes: tuple[Route, ...] = (),
        *,
        new_id: Callable[[], str] | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        """`health` says how the server does now; `new_id` gives ids to requests without one.

        `bodies` takes the pictures of POSTs; without it POST is not allowed.
        """
        self._proxy = proxy
        self.policy = policy
        self._health = health
        self._clock = clock
        self.log = log
        self._new_id = new_id or RequestIds()
        self._bodies = bodies
        self._origins = Origins(policy.allowed_origins)
        own = (Route("/healthz", {"GET": self._healthz}), Route("/readyz", {"GET": self._readyz}))
        self._routes = {route.path: route.handlers for route in (*own, *extra_routes)}
        self._below = tuple(route for route in extra_routes if route.below)
        self.sender = Sender(clock, policy.client_timeout, policy.request_timeout)
        self.lane: FastLane | None = None
        if policy.fast_lane_limit:
            self.lane = FastLane(
                proxy,
                clock,
                self._new_id,
                by_origin=bool(self._origins.vary),
                answering=self._answering,
                policy=policy,
                limit=policy.fast_lane_limit,
            )

    def drain(self) -> None:
        """From now on be not ready, and end each connection with its next answer."""
        self.sender.draining = True

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the request; aiohttp has nothing left to write."""
        exchange = Exchange.begin(request, self._clock.now(), self._new_id)
        try:
            await self._answer(exchange)
        except asyncio.CancelledError:
            if not exchange.committed and request.transport is not None:
                exchange.ended = "cut"
            raise
        finally:
            self.log.record(exchange)
        return Finished(exchange.status or 500, stays_open=exchange.stays_open)

    async def refuse(self, request: web.BaseRequest, problem: Problem) -> None:
        """Answer what could not be read as a request, and announce the end of its connection."""
        exchange = Exchange.begin(request, self._clock.now(), self._new_id)
        exchange.is_last = True
        try:
            await self._send_problem(exchange, problem)
        finally:
            self.log.record(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            answer = await self._decide(exchange)
            if isinstance(answer, Answer):
                await self.sender.send(exchange, answer)
                return
            problem = answer
        except ImcaxyError as error:
            kept = 0.0 if exchange.method == "POST" else self.policy.remember_failures
            problem = from_error(error, kept)
            if problem.status == 500:
                self._report(exchange)
        except web.HTTPException as error:  # raised by aiohttp while a handler reads a body
            problem = BODY_TOO_LARGE if error.status == 413 else MALFORMED
        except web.RequestPayloadError:
            problem = MALFORMED
        except ConnectionError:
            cut(exchange.request.transport)
            return
        except Exception:  # the last line of defence
            self._report(exchange)
            problem = INTERNAL
        await self._send_problem(exchange, problem)

    async def _send_problem(self, exchange: Exchange, problem: Problem) -> None:
        exchange.problem = problem.kind
        if exchange.committed:  # nothing but the end of the connection can follow a first byte
            cut(exchange.request.transport)
            return
        try:
            fields = vary(exchange.vary, self._origins.vary)
            allowed = self._origins.fields(exchange.header("Origin"))
            answer = problem.to_answer(exchange.request_id, fields, allowed)
            await self.sender.send(exchange, answer)
        except Exception:  # an error about an error ends the connection
            self._report(exchange)
            cut(exchange.request.transport)

    async def _decide(self, exchange: Exchange) -> Answer | Problem:
        if (exchange.header("Expect") or "100-continue").strip().lower() != "100-continue":
            return EXPECTATION_FAILED
        if exchange.path.startswith(PICTURES):
            return await self._picture(exchange)
        if exchange.path == "*" and exchange.method == "OPTIONS":  # RFC 9110 §9.3.7
            return Answer(204, [("Allow", "GET, HEAD, OPTIONS"), *HARDENING])
        handlers = self._routes.get(exchange.path) or self._handlers_above(exchange.path)
        if handlers is None:
            raise RouteUnknown(accepted=f"{PICTURES}OPERATION?url=…")
        return await self._routed(exchange, handlers)

    def _handlers_above(self, path: str) -> Mapping[str, Handler] | None:
        found = (route.handlers for route in self._below if path.startswith(route.path))
        return next(found, None)

    async def _routed(
        self, exchange: Exchange, handlers: Mapping[str, Handler]
    ) -> Answer | Problem:
        allowed = sorted({*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])})
        handler = handlers.get("GET" if exchange.method == "HEAD" else exchange.method)
        if handler is None:
            return self._other_method(exchange, ", ".join(allowed))
        if exchange.header("Expect") is not None and exchange.understands_chunks:
            await _invite_body(exchange.request)
        return await handler(exchange)

    def _other_method(self, exchange: Exchange, allowed: str, *more: Fields) -> Answer | Problem:
        """204 to OPTIONS, 405 to every other method that the route does not have."""
        if exchange.method == "OPTIONS":
            fields = [("Allow", allowed), *HARDENING]
            return Answer(204, [*fields, *(field for group in more for field in group)])
        error = MethodNotAllowed(
            f"{exchange.method} is not allowed here.", value=exchange.method, accepted=allowed
        )
        problem = from_error(error)
        return Problem(
            problem.status,
            problem.kind,
            problem.title,
            problem.detail,
            value=problem.value,
            accepted=problem.accepted,
            fields=(("Allow", allowed),),
        )

    async def _picture(self, exchange: Exchange) -> Answer | Problem:
        origin = exchange.header("Origin")
        self._origins.check(origin)
        if exchange.method == "POST" and self._bodies is not None:
            return await self._posted(exchange, self._bodies)
        if exchange.method not in {"GET", "HEAD"}:
            allowed = "GET, HEAD, OPTIONS" + (", POST" if self._bodies is not None else "")
            preflight = self._origins.preflight(origin, allowed)
            return self._other_method(exchange, allowed, preflight, vary(self._origins.vary))
        self._check_signature(exchange)
        asked = _asked(exchange)
        plan = self._proxy.plan(asked)
        exchange.vary = (*plan.vary, *plan.error_vary)
        served = await self._proxy.serve(plan)
        exchange.vary = served.vary
        answer = picture(
            served,
            exchange.conditions(),
            exchange.header("Range") if exchange.method == "GET" else None,
            self.policy,
            self._clock.wall(),
            boundary=lambda: secrets.token_hex(16),
        )
        if isinstance(answer, Answer):
            answer.fields.extend(self._outer_fields(served, origin))
            if self.lane is not None and exchange.method == "GET" and served.status.hit:
                self.lane.learn(exchange.request.raw_path, asked, plan, origin, served)
        return answer

    async def _posted(self, exchange: Exchange, bodies: Bodies) -> Answer | Problem:
        """The picture of the original in the body; neither it nor an error is ever kept."""
        self._check_signature(exchange)
        with bodies.offer(body_of(exchange.request)) as body:
            plan = self._proxy.plan(replace(_asked(exchange), body=body))
            exchange.vary = plan.vary
            if exchange.header("Expect") is not None and exchange.understands_chunks:
                await _invite_body(exchange.request)
            served = await self._proxy.serve(plan)
        answer = picture(
            served, _NO_CONDITIONS, None, self.policy, self._clock.wall(), boundary=str
        )
        if isinstance(answer, Answer):
            answer.fields.extend(self._outer_fields(served, exchange.header("Origin")))
        return answer

    def _check_signature(self, exchange: Exchange) -> None:
        if self.policy.signature_key:
            check_signature(exchange.path, exchange.query, self.policy.signature_key)

    def _answering(
        self, served: Served, conditions: Conditions, now: float, origin: str | None
    ) -> Answer:
        """The answer for the fast lane: never an error, because nothing is asked that can fail."""
        answer = picture(served, conditions, None, self.policy, now, boundary=str)
        if not isinstance(answer, Answer):
            raise InternalError("a picture in memory that cannot be sent")
        answer.fields.extend(self._outer_fields(served, origin))
        return answer

    def _outer_fields(self, served: Served, origin: str | None) -> Fields:
        return [*vary(served.vary, self._origins.vary), *self._origins.fields(origin)]

    async def _healthz(self, exchange: Exchange) -> Answer:
        return json_answer(200, _told("ok", self._health()))

    async def _readyz(self, exchange: Exchange) -> Answer:
        health = self._health()
        reason = "draining" if self.sender.draining else health.unready
        if reason is None:
            return json_answer(200, _told("ready", health))
        return json_answer(503, {"status": "not ready", "reason": reason}, ("Retry-After", "1"))

    def _report(self, exchange: Exchange) -> None:
        _log.exception("a request failed", extra={"request_id": exchange.request_id})


def _asked(exchange: Exchange) -> Asked:
    accept = exchange.header("Accept")
    tags = exchange.header("If-None-Match")
    return Asked(
        is_unchanged=None if tags is None else partial(names_tag, tags),
        operation=exchange.path[len(PICTURES) :],
        query=exchange.query,
        accept=accept,
        save_data=(exchange.header("Save-Data") or "").strip().lower() == "on",
        wants_image=accept is not None and names_image(accept),
    )


def _told(good: str, health: Health) -> dict[str, str]:
    if health.degraded is None:
        return {"status": good}
    return {"status": "degraded", "reason": health.degraded}


def names_image(accept: str) -> bool:
    """Whether an `Accept` names an image type itself, as an `<img>` does (RFC 9110 §12.5.1)."""
    return any(member.strip().lower().startswith("image/") for member in accept.split(","))


async def _invite_body(request: web.BaseRequest) -> None:
    """Send `100 Continue` (RFC 9110 §10.1.1) to a client that waits to be asked for its body."""
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
