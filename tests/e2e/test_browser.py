"""Pictures in a real browser: on an isolated page, in a canvas, from its HTTP cache."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.asking import logged
from tests.e2e.browser import Page, browsing
from tests.e2e.harness import Answer, ScriptedOrigin, Server, eventually
from tests.e2e.server import ROOT

PICTURE = "/imaginary/resize?width=300&type=webp&file=coffee.jpg"
OTHER = "/imaginary/resize?width=200&type=webp&file=coffee.jpg"
ISOLATED = (
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
SCRIPT = """<script>
for (const image of document.images) {
  image.onload = () => image.dataset.state = 'loaded';
  image.onerror = () => image.dataset.state = 'refused';
}
function drawn(id) {
  const image = document.getElementById(id), canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  try {
    return new Set(context.getImageData(0, 0, canvas.width, canvas.height).data).size;
  } catch (error) { return error.name; }
}
</script>"""
DONE = "[...document.images].every(image => image.dataset.state)"
STATES = "Object.fromEntries([...document.images].map(image => [image.id, image.dataset.state]))"


@asynccontextmanager
async def showing(directory: Path, html: str) -> AsyncIterator[tuple[Server, ScriptedOrigin, Page]]:
    """A browser at an isolated page of another site; {server} and {other} are addresses in it."""
    async with (
        Server(directory, source_dir=ROOT / "samples") as server,
        ScriptedOrigin() as other,
    ):
        text = html.replace("{server}", server.url).replace("{other}", other.url)
        page = Answer(f"<!doctype html>{text}{SCRIPT}".encode(), media_type="text/html")
        page.headers = ISOLATED
        other.script("/page", page)
        address = f"http://localhost:{other.port}/page"  # another site than 127.0.0.1
        async with browsing(address, directory / "profile") as browser:
            await browser.until(
                f"location.pathname === '/page' && document.readyState === 'complete' && {DONE}"
            )
            yield server, other, browser


async def statuses(server: Server, count: int) -> list[tuple[int, int]]:
    """Status and bytes of each request for a picture, once there are `count`."""
    await eventually(lambda: len(logged(server)) >= count)
    return [(line["status"], line["bytes"]) for line in logged(server)]


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_pictures_load_and_can_be_read_on_an_isolated_page(tmp_path: Path) -> None:
    html = f"""
<img id="plain" src="{{server}}{PICTURE}">
<img id="readable" crossorigin="anonymous" src="{{server}}{OTHER}">
<img id="control" src="{{other}}/without-policy.png">
<img id="error" src="{{server}}/imaginary/resize?width=abc&file=coffee.jpg">"""
    async with showing(tmp_path, html) as (server, _, page):
        assert await page.value("crossOriginIsolated") is True
        assert await page.value(STATES) == {
            "plain": "loaded",
            "readable": "loaded",
            "control": "refused",  # the page does forbid what carries no policy
            "error": "refused",
        }
        assert await page.value("document.getElementById('plain').naturalWidth") == 300
        assert await page.value("drawn('plain')") == "SecurityError"
        assert await page.value("drawn('readable')") > 100  # different values: a photograph
        entry = f"performance.getEntriesByName('{server.url}{PICTURE}')[0]"
        size = await page.value(f"{entry}.encodedBodySize")  # Timing-Allow-Origin
        await statuses(server, 3)
        assert [size] == [line["bytes"] for line in logged(server, "width=300")]


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_page_takes_pictures_from_the_browsers_cache_and_asks_with_one_304(
    tmp_path: Path,
) -> None:
    html = f'<img id="plain" src="{{server}}{PICTURE}">'
    async with showing(tmp_path, html) as (server, other, page):
        ((status, size),) = await statuses(server, 1)
        assert (status, size > 1000) == (200, True)
        await page.call("Page.navigate", url=f"http://localhost:{other.port}/page?again")
        await page.until(f"location.search === '?again' && {DONE}")
        assert await page.value(STATES) == {"plain": "loaded"}
        entry = f"performance.getEntriesByName('{server.url}{PICTURE}')[0]"
        assert await page.value(f"{entry}.transferSize") == 0
        assert await statuses(server, 1) == [(200, size)]
        asking = f"fetch('{server.url}{PICTURE}', {{cache: 'no-cache', mode: 'no-cors'}})"
        await page.value(f"void {asking}.then(() => window.asked = true)")
        await page.until("window.asked === true")
        assert await statuses(server, 2) == [(200, size), (304, 0)]


@pytest.mark.slow
@pytest.mark.needs("chromium")
async def test_picture_opened_by_its_address_is_shown_and_reloaded_with_one_304(
    tmp_path: Path,
) -> None:
    async with (
        Server(tmp_path, source_dir=ROOT / "samples") as server,
        browsing(server.url + PICTURE, tmp_path / "profile") as page,
    ):
        shown = "document.images[0]?.naturalWidth === 300"
        await page.until(shown)
        await page.value("window.before = true")
        await page.call("Page.reload")
        await page.until(f"window.before !== true && {shown}")
        found: Any = await statuses(server, 2)
        assert [status for status, _ in found] == [200, 304]
        assert [size > 0 for _, size in found] == [True, False]
