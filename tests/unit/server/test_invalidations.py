import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from imcaxy.clock import Clock
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.purge import Purger
from imcaxy.server.invalidations import Invalidations
from imcaxy.server.tokens import Tokens
from imcaxy.tasks import Tasks
from tests.fakes.catalog import FakeCatalog
from tests.fakes.house import House, Open
from tests.fakes.rows import an_instance
from tests.fakes.wire import Reply

URL = "https://h/a.png"


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


def routes(catalog: FakeCatalog, tasks: Tasks, *tokens: str) -> Invalidations:
    clock = Clock()
    confirming = Confirming(catalog, clock, 60.0)
    clearing = Clearing(catalog, confirming, clock)
    purger = Purger(catalog, confirming, clearing, clock, tasks, timeout=0.05)
    return Invalidations(purger, Tokens(tokens))


@pytest.fixture
async def house(serving: Open, catalog: FakeCatalog) -> AsyncIterator[House]:
    tasks = Tasks()
    async with serving(extra_routes=routes(catalog, tasks, "secret").routes()) as opened:
        yield opened
    await tasks.drain(1.0)


async def ask(
    house: House, method: str, target: str, body: object = None, key: str | None = "secret"
) -> tuple[Reply, Any]:
    wire = await house.wire()
    fields = [f"Authorization: Bearer {key}"] if key else []
    text = "" if body is None else json.dumps(body)
    lines = [f"{method} {target} HTTP/1.1", "Host: x", *fields, f"Content-Length: {len(text)}"]
    await wire.send("\r\n".join([*lines, "", text]))
    reply = await wire.reply(method)
    return reply, json.loads(reply.body)


async def test_invalidation_by_query_and_by_body_is_200_with_its_record(house: House) -> None:
    reply, told = await ask(house, "DELETE", f"/invalidate?projectName=p&commitHash=1&urls={URL}")
    assert (reply.status, told["number"], told["perUrl"]) == (200, 1, {URL: 0})
    reply, told = await ask(house, "DELETE", "/invalidate", {"urls": [URL], "request": "me"})
    assert (reply.status, told["number"], told["request"]) == (200, 2, "me")
    assert reply.headers["cache-control"] == "no-store"


async def test_unconfirmed_instance_is_named_with_202(house: House, catalog: FakeCatalog) -> None:
    await catalog.write_instance(an_instance(name="web/7"))
    reply, told = await ask(house, "DELETE", "/invalidate", {"all": True})
    assert (reply.status, told["status"], told["unconfirmed"]) == (202, "pending", ["web/7"])
    reply, told = await ask(house, "GET", "/invalidations/1")
    assert (reply.status, told["unconfirmed"]) == (200, ["web/7"])


async def test_dry_run_is_200_and_writes_nothing(house: House, catalog: FakeCatalog) -> None:
    reply, told = await ask(house, "DELETE", "/invalidate", {"all": True, "dryRun": True})
    assert (reply.status, told["status"], told["number"]) == (200, "dry-run", None)
    assert len(catalog.rows.log) == 1


@pytest.mark.parametrize("route", ["/latestInvalidation", "/lastInvalidation"])
async def test_latest_of_a_project_has_its_commit(house: House, route: str) -> None:
    reply, told = await ask(house, "GET", f"{route}?projectName=my+shop")
    assert (reply.status, told["value"]) == (404, "my shop")
    await ask(house, "DELETE", "/invalidate?projectName=my+shop&latestCommitHash=c0ffee")
    reply, told = await ask(house, "GET", f"{route}?projectName=my%20shop")
    assert (reply.status, told["commitHash"]) == (200, "c0ffee")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/latestInvalidation", 400),
        ("GET", "/invalidations/7", 404),
        ("GET", "/invalidations/x", 404),
        ("GET", "/invalidations/", 404),
        ("GET", "/invalidations/9999999999999999999", 404),
        ("GET", "/invalidate", 405),
        ("POST", "/invalidations/1", 405),
        ("DELETE", "/invalidate", 400),
        ("DELETE", "/invalidate?urls=h/a.png", 400),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    house: House, method: str, target: str, status: int
) -> None:
    reply, told = await ask(house, method, target)
    assert (reply.status, told["status"]) == (status, status)


async def test_body_with_a_query_is_refused(house: House) -> None:
    reply, told = await ask(house, "DELETE", "/invalidate?all=true", {"all": True})
    assert (reply.status, told["value"]) == (400, "all=true")


@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/invalidate?all=true"),
        ("GET", "/latestInvalidation?projectName=p"),
        ("GET", "/invalidations/1"),
    ],
)
async def test_without_a_valid_token_it_is_401_with_a_challenge(
    house: House, catalog: FakeCatalog, method: str, target: str, token: str | None
) -> None:
    reply, _ = await ask(house, method, target, key=token)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert len(catalog.rows.log) == 1


async def test_server_without_a_token_is_closed(serving: Open, catalog: FakeCatalog) -> None:
    tasks = Tasks()
    async with serving(extra_routes=routes(catalog, tasks).routes()) as house:
        reply, told = await ask(house, "DELETE", "/invalidate?all=true", key="any")
        assert reply.status == 403
        assert "IMCAXY_INVALIDATE_SECURITY_TOKEN" in told["accepted"]


async def test_catalog_that_fails_is_503_with_retry_after(
    house: House, catalog: FakeCatalog
) -> None:
    catalog.faults.fail()
    reply, told = await ask(house, "DELETE", "/invalidate", {"all": True, "request": "mine"})
    assert (reply.status, reply.headers["retry-after"], told["value"]) == (503, "1", "mine")
    reply, _ = await ask(house, "GET", "/invalidations/1")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    reply, _ = await ask(house, "DELETE", "/invalidate", {"all": True, "dryRun": True})
    assert reply.status == 503


async def test_request_id_of_another_invalidation_is_409(house: House) -> None:
    await ask(house, "DELETE", "/invalidate", {"all": True, "request": "mine"})
    reply, _ = await ask(house, "DELETE", "/invalidate", {"urls": [URL], "request": "mine"})
    assert reply.status == 409


async def test_request_line_of_64_kib_is_read(house: House) -> None:
    urls = ",".join(f"https://h/{number:040}.png" for number in range(1_100))
    assert 60_000 < len(urls) < 64 * 1024
    reply, told = await ask(house, "DELETE", f"/invalidate?urls={urls}")
    assert (reply.status, len(told["perUrl"])) == (200, 1_100)


async def test_five_thousand_urls_are_one_record(house: House, catalog: FakeCatalog) -> None:
    urls = [f"https://h/{number}.png" for number in range(5_000)]
    reply, _ = await ask(house, "DELETE", "/invalidate", {"urls": urls})
    assert reply.status == 200
    assert len(catalog.rows.log) == 2
    reply, _ = await ask(house, "DELETE", "/invalidate", {"urls": [*urls, "https://h/more.png"]})
    assert (reply.status, len(catalog.rows.log)) == (400, 2)
