"""Pictures in the body of a POST, as Imaginary takes them, and signed URLs; both are settings."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from imcaxy.grammar.url_signature import sign_url
from tests.corpus import photo
from tests.e2e.harness import Answer, ScriptedOrigin, Server
from tests.parity.asking import Seen, seen

KEY = "4f46feebafc4b5e988f131c4ff8b5997"
JPEG = photo("jpeg-shipped").body  # 640 x 427


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path, allow_post=True, max_source_bytes=1024 * 1024) as started:
        yield started


async def post(
    server: Server, target: str, data: object, **headers: str
) -> tuple[Seen, dict[str, str]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/imaginary/{target}", data=data, headers=headers) as answer,
    ):
        body = await answer.read()
        fields = dict(answer.headers)
        return seen(answer.status, fields["Content-Type"], body), fields


def form(**parts: bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, body in parts.items():
        data.add_field(name, body, filename="photo.jpg", content_type="image/jpeg")
    return data


async def chunked() -> AsyncIterator[bytes]:
    for start in range(0, len(JPEG), 5000):
        yield JPEG[start : start + 5000]


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "application/json", "application/x-www-form-urlencoded"]
)
async def test_raw_body_of_any_type_is_the_picture(server: Server, media_type: str) -> None:
    found, fields = await post(
        server, "resize?width=100&type=webp", JPEG, **{"Content-Type": media_type}
    )
    assert (found.status, found.media_type) == (200, "image/webp")
    assert (found.width, found.height) == (100, 67)
    assert fields["Cache-Control"] == "no-store"
    assert fields["Cache-Status"] == "Imcaxy; fwd=method"


async def test_chunked_body_is_the_picture(server: Server) -> None:
    found, _ = await post(server, "fit?width=50&height=50", chunked())
    assert (found.status, found.width) == (200, 50)


async def test_part_named_file_of_a_form_is_the_picture(server: Server) -> None:
    data = form(other=b"no picture", file=JPEG, last=b"neither")
    found, _ = await post(server, "crop?width=60&height=60", data)
    assert (found.status, found.width, found.height) == (200, 60, 60)


async def test_pipeline_as_a_gallery_posts_it(server: Server) -> None:
    steps = [
        {"operation": "autorotate"},
        {
            "operation": "fit",
            "params": {
                "width": 256,
                "height": 256,
                "stripmeta": "true",
                "type": "jpeg",
                "norotation": "true",
                "quality": "80",
            },
        },
    ]
    target = f"pipeline?operations={quote(json.dumps(steps))}&key="
    found, _ = await post(server, target, photo("jpeg-exif-6").body)
    assert (found.status, found.media_type, found.width, found.height) == (
        200,
        "image/jpeg",
        256,
        171,
    )


async def test_posted_picture_is_made_each_time_and_source_parameters_are_ignored(
    server: Server,
) -> None:
    target = "resize?width=80&url=http://127.0.0.1:1/none.jpg&file=none.jpg"
    first, _ = await post(server, target, JPEG)
    second, _ = await post(server, target, photo("jpeg-grey").body)
    assert (first.width, first.height) == (80, 53)
    assert (second.width, second.height) == (80, 80)
    kept = await server.client.get("/imaginary/resize?width=80&url=http://127.0.0.1:1/none.jpg")
    assert kept.status == 502


async def test_overlay_of_a_posted_picture_is_fetched(server: Server) -> None:
    async with ScriptedOrigin() as origin:
        origin.script("/logo.png", Answer(photo("png-alpha").body))
        target = f"watermarkimage?image={quote(origin.url + '/logo.png')}"
        assert (await post(server, target, JPEG))[0].status == 200
        assert origin.counts["/logo.png"] == 1


@pytest.mark.parametrize(
    ("target", "data", "status", "kind"),
    [
        ("resize?width=9", b"", 400, "source-empty"),
        ("resize?width=9", b"not a picture", 406, "source-unsupported"),
        ("resize?width=9", b"x" * (1024 * 1024 + 1), 413, "body-too-large"),
        ("resize?width=9", JPEG[:3000], 400, "undecodable"),
        ("resize?width=abc", JPEG, 400, "malformed-parameter"),
        ("resize", JPEG, 400, "missing-parameter"),
        ("shrink?width=9", JPEG, 404, "unknown-operation"),
    ],
)
async def test_post_that_cannot_be_answered_is_its_error_and_is_not_kept(
    server: Server, target: str, data: bytes, status: int, kind: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/imaginary/{target}", data=BytesIO(data)) as answer,
    ):
        assert answer.status == status
        assert (await answer.json(content_type=None))["type"].endswith(kind)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_forms_without_the_picture_are_errors(server: Server) -> None:
    assert (await post(server, "resize?width=9", form(photo=JPEG)))[0].status == 400
    assert (await post(server, "resize?width=9", form(file=b"")))[0].status == 400
    for media_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        found, _ = await post(server, "resize?width=9", b"--y\r\n", **{"Content-Type": media_type})
        assert found.status == 400
    assert (await post(server, "resize?width=9", form(file=JPEG)))[0].status == 200


async def test_post_is_not_allowed_unless_it_is_turned_on(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        found, fields = await post(server, "resize?width=9", JPEG)
        assert found.status == 405
        assert fields["Allow"] == "GET, HEAD, OPTIONS"


async def test_signed_server_answers_only_what_is_signed(tmp_path: Path) -> None:
    async with (
        ScriptedOrigin() as origin,
        Server(tmp_path, url_signature_key=KEY, allow_post=True) as server,
    ):
        origin.script("/photo.jpg", Answer(JPEG))
        query = f"width=70&url={quote(origin.url + '/photo.jpg', safe='')}"
        sign = sign_url("/imaginary/resize", query, KEY.encode())
        for _ in range(3):  # from memory too
            assert (await server.client.get(f"/imaginary/resize?{query}&sign={sign}")).status == 200
        for wrong, status in (("", 403), ("&sign=AAAA", 403), (f"&sign={sign}%3D", 400)):
            assert (await server.client.get(f"/imaginary/resize?{query}{wrong}")).status == status
        other = await server.client.get(f"/imaginary/resize?{query}1&sign={sign}")
        assert other.status == 403
        assert origin.counts["/photo.jpg"] == 1
        posted = sign_url("/imaginary/flip", "", KEY.encode())
        assert (await post(server, f"flip?sign={posted}", JPEG))[0].status == 200
        assert (await post(server, "flip", JPEG))[0].status == 403
