from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from imcaxy.errors import BodyMalformed
from imcaxy.server.posting import body_of

FORM = (
    b"--x\r\nContent-Disposition: form-data; name=other\r\n\r\nno picture\r\n"
    b'--x\r\nContent-Disposition: form-data; name="file"; filename=a.jpg\r\n\r\npicture\r\n'
    b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nsecond\r\n--x--\r\n"
)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@asynccontextmanager
async def reading() -> AsyncIterator[str]:
    """The address of a server that answers with the body as it was read."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = body_of(request)
        try:
            read = b"".join([piece async for piece in body.chunks])
        except BodyMalformed as error:
            return web.Response(status=400, text=error.detail)
        return web.Response(body=read, headers={"Said": str(body.length)})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site.name
    finally:
        await runner.cleanup()


async def posted(data: object, **headers: str) -> tuple[int, bytes, str | None]:
    async with (
        reading() as url,
        aiohttp.ClientSession() as session,
        session.post(
            url, data=data, headers={k.replace("_", "-"): v for k, v in headers.items()}
        ) as answer,
    ):
        return answer.status, await answer.read(), answer.headers.get("Said")


async def test_body_that_is_no_form_is_the_picture() -> None:
    assert await posted(b"picture") == (200, b"picture", "7")
    assert await posted(b"picture", Content_Type="text/plain") == (200, b"picture", "7")


async def test_body_of_unknown_length_is_the_picture() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"pic"
        yield b"ture"

    assert await posted(pieces()) == (200, b"picture", "None")


async def test_form_gives_its_first_part_named_file() -> None:
    assert (await posted(FORM, **MULTIPART))[:2] == (200, b"picture")


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (FORM.replace(b"file", b"photo"), MULTIPART),
        (FORM, {"Content-Type": "multipart/form-data"}),
        (FORM, {"Content-Type": "multipart/form-data; boundary=y"}),
        (FORM[: FORM.index(b"ture")], MULTIPART),
        (b"--x--\r\n", MULTIPART),
    ],
)
async def test_form_without_a_whole_picture_is_malformed(
    form: bytes, headers: dict[str, str]
) -> None:
    assert (await posted(form, **headers))[0] == 400
