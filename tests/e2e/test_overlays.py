"""Overlays are sources like any other: guarded, shared, and their invalidation hits the picture."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pyvips

from tests.corpus import photo
from tests.e2e.harness import Answer, Response, ScriptedOrigin, Server
from tests.e2e.purging import SETTINGS, invalidate

PHOTO = photo("jpeg-shipped").body


def logo(red: int, green: int, blue: int) -> Answer:
    image = pyvips.Image.black(40, 30).new_from_image([red, green, blue]).cast("uchar")
    return Answer(image.copy(interpretation="srgb").pngsave_buffer())


@pytest.fixture
async def origin() -> AsyncIterator[ScriptedOrigin]:
    async with ScriptedOrigin() as started:
        started.script("/photo.jpg", Answer(PHOTO, media_type="image/jpeg"))
        started.script("/logo.png", logo(255, 0, 0))
        yield started


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    settings = {**SETTINGS, "remember_failures": 0, "max_source_bytes": 1024 * 1024}
    async with Server(tmp_path, **settings) as started:
        yield started


def direct(source: str, overlay: str) -> str:
    return f"watermarkimage?type=png&url={quote(source)}&image={quote(overlay)}"


def in_a_pipeline(source: str, overlay: str) -> str:
    steps = [
        {"operation": "resize", "params": {"width": 300, "type": "png"}},
        {"operation": "watermarkImage", "params": {"image": overlay}},
    ]
    return f"pipeline?url={quote(source)}&operations={quote(json.dumps(steps))}"


BOTH = pytest.mark.parametrize("target", [direct, in_a_pipeline])


async def drawn(server: Server, origin: ScriptedOrigin, target: object) -> Response:
    assert callable(target)
    path = target(f"{origin.url}/photo.jpg", f"{origin.url}/logo.png")
    return await server.client.get(f"/imaginary/{path}")


def corner(answer: Response) -> list[float]:
    pixels: list[float] = pyvips.Image.new_from_buffer(answer.body, "")(5, 5)
    return pixels


@BOTH
async def test_picture_goes_when_its_overlay_is_invalidated(
    server: Server, origin: ScriptedOrigin, target: object
) -> None:
    assert corner(await drawn(server, origin, target)) == [255, 0, 0]
    assert corner(await drawn(server, origin, target)) == [255, 0, 0]
    assert origin.counts["/logo.png"] == 1
    origin.script("/logo.png", logo(0, 0, 255))
    assert (await invalidate(server.client, f"{origin.url}/other.png")).status == 200
    assert corner(await drawn(server, origin, target)) == [255, 0, 0]
    assert (await invalidate(server.client, f"{origin.url}/logo.png")).status == 200
    assert corner(await drawn(server, origin, target)) == [0, 0, 255]


@BOTH
@pytest.mark.parametrize(
    ("overlay", "status"),
    [
        ("http://10.0.0.1/logo.png", 403),
        ("http://169.254.169.254/latest/meta-data", 403),
        ("http://[::1]/logo.png", 403),
        ("file:///etc/passwd", 400),
        ("/logo.png", 400),
        ("http://user:secret@example.com/logo.png", 403),
    ],
)
async def test_overlay_that_no_source_could_be_is_refused(
    server: Server, origin: ScriptedOrigin, target: object, overlay: str, status: int
) -> None:
    assert callable(target)
    answer = await server.client.get(f"/imaginary/{target(origin.url + '/photo.jpg', overlay)}")
    assert answer.status == status


@BOTH
async def test_overlay_behind_a_redirect_to_a_private_address_is_refused(
    server: Server, origin: ScriptedOrigin, target: object
) -> None:
    origin.redirect("/logo.png", "http://10.0.0.1/logo.png")
    assert (await drawn(server, origin, target)).status == 403


@BOTH
@pytest.mark.parametrize(
    ("overlay", "status"),
    [
        (Answer(b"", status=404), 404),
        (Answer(b"<html>", media_type="image/png"), 406),
        (Answer(b"x" * (1024 * 1024 + 1)), 422),
        (Answer(b""), 400),
    ],
)
async def test_overlay_that_is_no_picture_is_its_error(
    server: Server, origin: ScriptedOrigin, target: object, overlay: Answer, status: int
) -> None:
    origin.script("/logo.png", overlay)
    assert (await drawn(server, origin, target)).status == status


@BOTH
async def test_overlay_of_a_domain_that_is_not_allowed_is_refused(
    tmp_path: Path, origin: ScriptedOrigin, target: object
) -> None:
    assert callable(target)
    async with Server(tmp_path, allowed_domains="127.0.0.1") as server:
        path = target(f"{origin.url}/photo.jpg", f"http://localhost:{origin.port}/logo.png")
        assert (await server.client.get(f"/imaginary/{path}")).status == 403
        assert (await drawn(server, origin, target)).status == 200
        assert origin.counts["/logo.png"] == 1
