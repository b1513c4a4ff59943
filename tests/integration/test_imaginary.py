"""Imcaxy before the real Imaginary: every operation, large things, failures, and no egress."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pyvips

from tests import real
from tests.corpus import sample
from tests.e2e.harness import Answer, Response, ScriptedOrigin, Server
from tests.e2e.scripted import PATIENCE
from tests.integration.imaginaries import cell, imaginary

pytestmark = pytest.mark.integration("imaginary")
own = pytest.mark.integration("imaginary-program")

FETCH = pytest.mark.parametrize("fetch", ["imcaxy", "imaginary"])
SIZED = "width=160&height=120"
OPERATIONS = {
    "resize": ("width=160", (160, None)),
    "fit": (SIZED, (None, 120)),
    "crop": (f"{SIZED}&gravity=smart", (160, 120)),
    "smartcrop": (SIZED, (160, 120)),
    "thumbnail": ("width=160", (160, None)),
    "enlarge": ("width=900&height=700", (900, 700)),
    "extract": ("top=10&left=10&areawidth=90&areaheight=70", (90, 70)),
    "zoom": ("factor=1", (None, None)),
    "rotate": ("rotate=90", (None, None)),
    "autorotate": ("", (None, None)),
    "flip": ("", (None, None)),
    "flop": ("", (None, None)),
    "blur": ("sigma=3", (None, None)),
    "convert": ("type=webp", (None, None)),
    "watermark": ("text=Imcaxy&width=700", (700, None)),
}


@pytest.fixture
async def origin() -> AsyncIterator[ScriptedOrigin]:
    async with ScriptedOrigin() as server:
        jpeg = sample("astronaut.jpg").write_to_buffer(".jpg")
        server.script("/photo.jpg", Answer(jpeg, media_type="image/jpeg"))
        yield server


def server_at(directory: Path, fetch: str = "imcaxy", *urls: str, **settings: object) -> Server:
    chosen = ",".join(urls) or real.address("imaginary")
    return Server(
        directory, imaginary_service_url=chosen, imaginary_fetch=fetch, processes=4, **settings
    )


async def asked(server: Server, origin: ScriptedOrigin, operation: str, query: str) -> Response:
    source = quote(f"{origin.url}/photo.jpg", safe="")
    target = f"/imaginary/{operation}?{query}&url={source}"
    return await server.client.get(target)


async def kept(server: Server, origin: ScriptedOrigin, operation: str, query: str) -> Response:
    """The first answer that is a hit: an entry is committed just after its picture was sent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            response = await asked(server, origin, operation, query)
            if "; hit" in response.headers["cache-status"]:
                return response
            await asyncio.sleep(0.02)


def shown(response: Response) -> pyvips.Image:
    assert response.status == 200, response.body
    assert response.whole
    image = pyvips.Image.new_from_buffer(response.body, "")
    image.avg()  # decodes all of it
    return image


@FETCH
async def test_every_operation_gives_a_picture_and_then_a_hit(
    origin: ScriptedOrigin, tmp_path: Path, fetch: str
) -> None:
    async with server_at(tmp_path, fetch) as server:
        for operation, (query, size) in OPERATIONS.items():
            first = await asked(server, origin, operation, query)
            image = shown(first)
            assert size[0] in (None, image.width), operation
            assert size[1] in (None, image.height), operation
            again = await kept(server, origin, operation, query)
            assert again.body == first.body
            assert again.headers["etag"] == first.headers["etag"]
        info = await asked(server, origin, "info", "")
        assert json.loads(info.body)["type"] == "jpeg"


async def test_overlay_is_fetched_where_imaginary_may_and_refused_elsewhere(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    logo = pyvips.Image.black(40, 40).bandjoin([0, 0, 255]).copy(interpretation="srgb")
    origin.script("/logo.png", Answer(logo.write_to_buffer(".png")))
    query = f"top=5&left=5&opacity=1&type=png&image={quote(origin.url + '/logo.png', safe='')}"
    async with server_at(tmp_path / "may", "imaginary") as server:
        image = shown(await asked(server, origin, "watermarkimage", query))
        assert image.getpoint(20, 20)[:3] == [0, 0, 0]
    async with server_at(tmp_path / "not") as server:
        refused = await asked(server, origin, "watermarkimage", query)
        assert refused.status == 501
        assert b"watermarkimage" in refused.body


@FETCH
@pytest.mark.parametrize(
    ("accept", "media_type"), [("image/webp,*/*", "image/webp"), ("image/png", "image/jpeg")]
)
async def test_convert_to_auto_is_made_also_where_the_sources_own_type_is_meant(
    origin: ScriptedOrigin, tmp_path: Path, fetch: str, accept: str, media_type: str
) -> None:
    source = quote(f"{origin.url}/photo.jpg", safe="")
    async with server_at(tmp_path, fetch) as server:
        target = f"/imaginary/convert?type=auto&url={source}"
        response = await server.client.get(target, headers=(("Accept", accept),))
        shown(response)
        assert response.headers["content-type"] == media_type


@FETCH
async def test_source_address_of_2000_characters_and_pipeline_of_8_kilobytes_are_understood(
    origin: ScriptedOrigin, tmp_path: Path, fetch: str
) -> None:
    path = "/" + "p" * (2000 - len(origin.url) - 1)
    origin.script(
        path, Answer(sample("astronaut.jpg").write_to_buffer(".jpg"), media_type="image/jpeg")
    )
    steps = [
        {
            "operation": "fit",
            "params": {"width": 400 - 10 * n, "height": 400 - 10 * n, "quality": 90},
        }
        for n in range(10)
    ]
    padding = " " * (8192 - len(json.dumps(steps)))
    operations = quote(json.dumps(steps)[:-1] + padding + "]", safe="")
    assert len(origin.url + path) == 2000
    source = quote(origin.url + path, safe="")
    async with server_at(tmp_path, fetch) as server:
        target = f"/imaginary/pipeline?operations={operations}&url={source}"
        image = shown(await server.client.get(target))
        assert max(image.width, image.height) == 310


async def test_pipeline_that_is_8_kilobytes_in_its_canonical_form_reaches_imaginary(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    text = "W" * 780  # of ten text watermarks, whose text cannot be shortened
    marks = [
        {"operation": "watermark", "params": {"text": text, "font": "sans 4", "textwidth": 400}}
    ] * 10
    operations = json.dumps(marks)
    assert len(operations) > 8192
    query = f"operations={quote(operations, safe='')}"
    async with server_at(tmp_path, process_timeout=120) as server:
        response = await asked(server, origin, "pipeline", query)
        assert response.status == 200, response.body


@FETCH
async def test_result_of_30_megabytes_comes_whole_and_is_kept(
    origin: ScriptedOrigin, tmp_path: Path, fetch: str
) -> None:
    async with server_at(tmp_path, fetch) as server:
        query = "width=3600&height=2800&force=true&type=tiff"  # which is not compressed
        first = await asked(server, origin, "enlarge", query)
        assert len(first.body) > 30_000_000
        assert (shown(first).width, shown(first).height) == (3600, 2800)
        again = await kept(server, origin, "enlarge", query)
        assert again.body == first.body


@FETCH
async def test_origins_failure_is_told_apart_from_imaginarys(
    origin: ScriptedOrigin, tmp_path: Path, fetch: str
) -> None:
    origin.script("/gone.jpg", Answer(b"gone", status=404))
    origin.script("/broken.jpg", Answer(b"broken", status=500))
    origin.script("/text.jpg", Answer(b"this is no picture at all", media_type="image/jpeg"))
    origin.script("/cut.png", Answer(sample("astronaut.jpg").write_to_buffer(".jpg"), end="fin"))
    wanted = {"/gone.jpg": 404, "/broken.jpg": 502, "/text.jpg": 406, "/cut.png": 502}
    async with server_at(tmp_path, fetch, remember_failures=0) as server:
        found = {}
        for path in wanted:
            source = quote(origin.url + path, safe="")
            response = await server.client.get(f"/imaginary/resize?width=9&url={source}")
            found[path] = response.status
            assert "error fetching" not in response.body.decode()
        assert found == wanted


async def test_private_address_is_never_forwarded(origin: ScriptedOrigin, tmp_path: Path) -> None:
    server = server_at(tmp_path, "imaginary", allowed_networks="192.0.2.0/24")
    async with server:
        response = await asked(server, origin, "resize", "width=9")
        assert response.status == 403
    assert not origin.requests


@own
async def test_of_two_one_is_killed_and_one_suspended_and_pictures_go_on(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    async with imaginary() as one, imaginary() as other, imaginary() as third:
        urls = (one.url, other.url, third.url)
        server = server_at(tmp_path, "imcaxy", *urls, process_timeout=6, remember_failures=0)
        async with server:
            for width in range(20, 26):
                shown(await asked(server, origin, "resize", f"width={width}"))
            one.kill()
            for width in range(30, 50):
                shown(await asked(server, origin, "resize", f"width={width}"))
            other.suspend()
            answers = [
                (await asked(server, origin, "resize", f"width={width}")).status
                for width in range(50, 70)
            ]
            # The first request that it takes tells that it hangs, and is given to another one.
            assert answers == [200] * 20
            other.resume()


@own
@pytest.mark.needs("ip")
async def test_imaginary_without_any_egress_serves(origin: ScriptedOrigin, tmp_path: Path) -> None:
    with cell() as inside:
        flags = ("-enable-url-source",)
        async with imaginary(*flags, host=inside.host, behind=inside.enter) as engine:
            async with server_at(tmp_path / "bytes", "imcaxy", engine.url) as server:
                shown(await asked(server, origin, "resize", "width=80"))
                shown(await asked(server, origin, "convert", "type=png"))
            async with server_at(tmp_path / "url", "imaginary", engine.url) as server:
                failed = await asked(server, origin, "resize", "width=80")
                assert failed.status == 502, "it has a way out after all"


@own
async def test_placeholder_is_never_taken_for_a_picture(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    origin.script("/text.jpg", Answer(b"this is no picture at all", media_type="image/jpeg"))
    source = quote(f"{origin.url}/text.jpg", safe="")
    for flags in (("-enable-placeholder",), ("-enable-placeholder", "-placeholder-status", "200")):
        async with imaginary("-enable-url-source", *flags) as engine:
            for fetch in ("imcaxy", "imaginary"):
                async with server_at(tmp_path / fetch / str(len(flags)), fetch, engine.url) as here:
                    target = f"/imaginary/resize?width=40&height=40&url={source}"
                    response = await here.client.get(target)
                    assert response.status == 406
                    assert response.headers["content-type"] == "application/problem+json"


@own
async def test_check_says_what_is_missing(tmp_path: Path) -> None:
    async with imaginary() as engine:  # without -enable-url-source
        for fetch, expected in (("imcaxy", "converted a picture"), ("imaginary", "-enable-url-so")):
            line = await checked(tmp_path, engine.url, fetch)
            assert expected in line


async def checked(directory: Path, url: str, fetch: str) -> str:
    here = server_at(directory, fetch, url)
    chosen = {f"IMCAXY_{name.upper()}": str(value) for name, value in here.settings.items()}
    process = await asyncio.create_subprocess_exec(
        "env",
        *(f"{name}={value}" for name, value in chosen.items()),
        *(sys.executable, "-m", "imcaxy", "check"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text, _ = await process.communicate()
    return text.decode()
