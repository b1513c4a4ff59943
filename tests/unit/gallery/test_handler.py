from pathlib import Path

from aiohttp.test_utils import make_mocked_request

from imcaxy.gallery import routes
from imcaxy.server.answers import Answer
from imcaxy.server.exchange import Exchange


async def page(source_dir: Path | None) -> Answer:
    (route,) = routes(source_dir)
    assert route.path == "/"
    answer = await route.handlers["GET"](Exchange.begin(make_mocked_request("GET", "/"), 0.0, str))
    assert isinstance(answer, Answer)
    return answer


def text(answer: Answer) -> str:
    (body,) = answer.body
    assert isinstance(body, bytes)
    assert len(body) == answer.length
    return body.decode()


async def test_page_carries_its_policy_and_is_asked_for_again() -> None:
    fields = dict((await page(None)).fields)
    assert fields["Content-Type"] == "text/html; charset=utf-8"
    assert fields["Cache-Control"] == "no-cache"
    assert fields["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert fields["X-Content-Type-Options"] == "nosniff"


async def test_page_without_directory_tells_how_to_name_one() -> None:
    assert "IMCAXY_SOURCE_DIR=" in text(await page(None))


async def test_page_shows_a_photograph_that_was_added_meanwhile(tmp_path: Path) -> None:
    assert "cat.png" not in text(await page(tmp_path))
    (tmp_path / "cat.png").touch()
    assert "cat.png" in text(await page(tmp_path))
