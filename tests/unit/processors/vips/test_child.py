"""The real child, started by hand: what it takes upon itself, and how it ends."""

import json
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pyvips

from imcaxy.processors.vips.children import Program
from tests.corpus import photo
from tests.unit.processors.vips.making import MIB

MEMORY = 700 * MIB
AUTOGROUP = Path("/proc/self/autogroup")


@contextmanager
def child(*, own_session: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    program = Program(MEMORY, niceness=3)
    with subprocess.Popen(
        program.arguments(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program.environment(),
        start_new_session=own_session,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def receive(process: "subprocess.Popen[bytes]") -> tuple[dict[str, Any], bytes]:
    assert process.stdout is not None
    (length,) = struct.unpack("!I", process.stdout.read(4))
    header = json.loads(process.stdout.read(length))
    return header, process.stdout.read(sum(header["bodies"]))


def send(process: "subprocess.Popen[bytes]", header: dict[str, Any], *bodies: bytes) -> None:
    send_header(process, {**header, "bodies": [len(body) for body in bodies]})
    assert process.stdin is not None
    process.stdin.write(b"".join(bodies))
    process.stdin.flush()


def send_header(process: "subprocess.Popen[bytes]", header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    assert process.stdin is not None
    process.stdin.write(struct.pack("!I", len(text)) + text)
    process.stdin.flush()


def resident(process: "subprocess.Popen[bytes]") -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def request(*steps: tuple[str, Any, bool], **others: Any) -> dict[str, Any]:
    return {"id": 1, "steps": steps, "formats": ["png"], "pixels": 10**7, "bytes": MIB, **others}


def test_child_says_hello_and_makes_pictures_until_its_input_ends() -> None:
    body = photo("png-shipped").body
    with child() as process:
        hello, _ = receive(process)
        assert hello["hello"] == 1
        assert {"jpeg", "png", "webp", "avif"} <= set(hello["formats"])
        for number in (1, 2, 3):
            send(process, request(("resize", {"width": 50}, False), id=number), body)
            answer, picture = receive(process)
            assert answer == {"id": number, "type": "image/png", "bodies": [len(picture)]}
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_child_limits_are_taken_before_the_first_picture() -> None:
    with child() as process:
        receive(process)
        proc = Path(f"/proc/{process.pid}")
        limits = {
            line[:25].strip(): line[25:].split()[:2]
            for line in (proc / "limits").read_text().splitlines()
        }
        assert limits["Max address space"] == [str(MEMORY)] * 2
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max file size"] == ["0", "0"]
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(0, 0) + 3
        status = (proc / "status").read_text()
        assert "NoNewPrivs:\t1" in status
        environment = (proc / "environ").read_bytes().split(b"\0")
        names = {item.partition(b"=")[0].decode() for item in environment}
        assert names - {""} <= set(Program(1).environment())


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="a kernel without autogrouping")
def test_child_with_its_own_session_makes_that_as_nice_as_itself() -> None:
    before = AUTOGROUP.read_text()
    with child(own_session=True) as process:
        receive(process)
        assert Path(f"/proc/{process.pid}/autogroup").read_text().endswith(" nice 3\n")
    with child() as process:
        receive(process)
        assert AUTOGROUP.read_text() == before


def test_child_loads_no_more_than_it_needs() -> None:
    with child() as process:
        receive(process)
        assert resident(process) < 48 * MIB
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert "libvips" in mapped
        assert "aiohttp" not in mapped
        assert "pydantic" not in mapped


def test_child_gives_back_what_pictures_left_before_a_large_source_comes() -> None:
    with child() as process:
        receive(process)
        asked = request(("resize", {"width": 800}, False), formats=["jpeg"])
        noise = pyvips.Image.gaussnoise(1920, 1080, sigma=40, mean=128, seed=1)
        body = noise.bandjoin([noise, noise]).cast("uchar").jpegsave_buffer()
        for _ in range(2):
            send(process, asked, body)
            assert receive(process)[1]
        left = resident(process)
        send_header(process, asked | {"bodies": [8 * MIB]})
        for _ in range(200):
            if resident(process) < left - 4 * MIB:
                return
            select.select([], [], [], 0.05)
        pytest.fail(f"{left} bytes became {resident(process)}")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x05hello",
        b"\0\0\0\x02[]",
        b"\0\0\0\x02{}",
        b'\0\0\0\x0e{"bodies":[9]}short',
    ],
)
def test_child_bad_frame_ends_it(garbage: bytes) -> None:
    with child() as process:
        receive(process)
        assert process.stdin is not None
        process.stdin.write(garbage)
        process.stdin.close()
        assert process.wait(10) == 2
        assert process.stdout is not None
        assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (request(("explode", {}, False)), "unsupported-operation"),
        (request(("info", {}, False), formats=["svg"]), "source-unsupported"),
        (request(("resize", {"width": 5, "type": "pdf"}, False)), "unsupported-format"),
        (request(("resize", {}, False)), "missing-parameter"),
        (request(("resize", {"width": 5}, False), pixels=10), "source-too-large"),
        (request(("convert", {"type": "png"}, False), bytes=10), "variant-too-large"),
        (request(("watermarkimage", {}, False)), "missing-parameter"),
        (request(), "internal-error"),
        ({"id": 1}, "internal-error"),
        (request(("resize", ["width"], False)), "internal-error"),
    ],
)
def test_child_impossible_request_is_answered_and_the_next_one_is_done(
    header: dict[str, Any], kind: str
) -> None:
    body = photo("png-shipped").body
    with child() as process:
        receive(process)
        send(process, header, body)
        answer, nothing = receive(process)
        assert answer["error"]["kind"] == kind
        assert nothing == b""
        send(process, request(("flip", {}, False), id=2), body)
        assert receive(process)[0]["type"] == "image/png"


def test_child_holds_the_source_and_its_pixels_until_it_is_told_to_forget() -> None:
    body = photo("jpeg-24-megapixels").body
    # A small part of what is decoded to 17 MiB.
    wish = ("extract", {"width": 2200, "areawidth": 50, "areaheight": 40, "type": "png"}, False)
    asked = request(wish, formats=["jpeg"], pixels=10**8)
    with child() as process:
        receive(process)
        send(process, asked, body)
        alone = receive(process)
        idle = resident(process)
        for bodies in ((body,), (), ()):
            send(process, {**asked, "keep": True}, *bodies)
            assert receive(process) == alone
        assert resident(process) > idle + 12 * MIB
        send(process, {"forget": True})
        send(process, asked, body)
        assert receive(process) == alone
        assert resident(process) < idle + 8 * MIB


def test_child_answers_an_impossible_request_of_a_burst_and_goes_on_with_it() -> None:
    with child() as process:
        receive(process)
        send(process, request(("explode", {}, False), keep=True), photo("png-shipped").body)
        assert receive(process)[0]["error"]["kind"] == "unsupported-operation"
        send(process, request(("flip", {}, False), keep=True))
        assert receive(process)[0]["type"] == "image/png"


@pytest.mark.parametrize("before", [{}, {"forget": True}])
def test_child_that_holds_nothing_and_is_told_to_use_it_ends(before: dict[str, Any]) -> None:
    with child() as process:
        receive(process)
        if before:
            send(process, request(("flip", {}, False), keep=True), photo("png-shipped").body)
            receive(process)
            send(process, before)
        send(process, request(("flip", {}, False), keep=True))
        assert process.wait(10) == 2


@pytest.mark.parametrize("formats", [None, 7, []])
def test_child_that_is_to_hold_a_source_of_no_format_ends(formats: object) -> None:
    with child() as process:
        receive(process)
        asked = request(("flip", {}, False), keep=True, formats=formats)
        send(process, asked, photo("png-shipped").body)
        assert process.wait(10) == 2


PARENT = """
import asyncio
from imcaxy.processors.vips.children import Child, Program

async def main():
    child = await Child.start(Program(700 << 20))
    {stop_it}
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("stop_it", ["", "import os; os.kill(child.pid, 19)"])
def test_child_whose_parent_is_killed_is_killed_too_even_when_stopped(stop_it: str) -> None:
    program = PARENT.format(stop_it=stop_it)
    root = Path(__file__).resolve().parents[4]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root
    ) as parent:
        assert parent.stdout is not None
        watched = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([watched], [], [], 10)
    os.close(watched)
    assert ended == [watched]
