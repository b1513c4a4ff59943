"""One case per rule of RFC 9110 and 9111, named by its section, on the wire of a real server.

Every rule is asked of a picture that is kept, of one whose second half the processor still holds
back, and of one whose length nobody knows yet.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.ageing import make_older
from tests.e2e.asking import Field, Reply, ask
from tests.e2e.harness import Answer, Hold, Request, Stack, eventually, png_of, stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

BODY = png_of(300_000)
SIZE = len(BODY)
HALF = SIZE // 2
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"
IN_TIMES_TO_COME = "Fri, 31 Dec 2100 23:59:59 GMT"
WIDTHS = {"kept": 100, "running": 200, "unmeasured": 300}
OF_ONE_ANSWER = {"age", "cache-status", "date", "transfer-encoding", "x-request-id"}


@dataclass
class Picture:
    """A picture in one of its states, and what its head said."""

    target: str
    here: int  # bytes that have been made
    length: int | None
    fields: dict[str, str]


@dataclass
class House:
    """A server, and a picture in each state: the first half of the last two has been made."""

    stage: Stack
    pictures: dict[str, Picture]
    last: list[Hold]  # the one of the picture that is being made now comes last

    async def ask(self, state: str, *fields: Field, method: str = "GET") -> Reply:
        """The answer for this picture, as far as it can be had now."""
        picture = self.pictures[state]
        named = (self._filled(field, picture) for field in fields)
        upto = None if picture.here == SIZE else self._within(fields)
        port = self.stage.server.port
        return await ask(port, picture.target, *named, method=method, upto=upto)

    def _filled(self, field: Field, picture: Picture) -> Field:
        name, value = field
        value = value.replace("{tag}", picture.fields["etag"])
        return name, value.replace("{made}", picture.fields["last-modified"])

    def _within(self, fields: tuple[Field, ...]) -> int:
        return HALF if "range" not in {name.lower() for name, _ in fields} else 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    hold = Hold()
    last: list[Hold] = []

    def answer(request: Request) -> Answer:
        match request.query["width"]:
            case "100":
                return Answer(BODY)
            case "500":
                return Answer(BODY, hold=last[-1])
            case width:
                return Answer(BODY, hold=hold, framing="length" if width == "200" else "chunked")

    directory = tmp_path_factory.mktemp("rules")
    async with stack(directory, process_timeout=900, request_timeout=900) as stage:
        stage.imaginary.answer(answer)
        targets = {state: stage.target(width) + "&type=auto" for state, width in WIDTHS.items()}
        await ask(stage.server.port, targets["kept"])
        await make_older(stage.server, 86400)
        pictures = {}
        for state, target in targets.items():
            known = state == "kept"
            reply = await ask(stage.server.port, target, upto=None if known else HALF)
            here, length = (SIZE if known else HALF), (None if state == "unmeasured" else SIZE)
            pictures[state] = Picture(target, here, length, dict(reply.fields))
        await eventually(lambda: hold.holding == 2)
        yield House(stage, pictures, last)
        assert hold.holding == 2


@pytest.fixture(params=list(WIDTHS))
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


NOT_MODIFIED, FAILED, WHOLE = 304, 412, 200
CONDITIONS: dict[str, tuple[int, list[Field]]] = {
    "13.1.1-if-match-same": (WHOLE, [("If-Match", "{tag}")]),
    "13.1.1-if-match-any": (WHOLE, [("If-Match", "*")]),
    "13.1.1-if-match-among-others": (WHOLE, [("If-Match", '"x", {tag}')]),
    "13.1.1-if-match-other": (FAILED, [("If-Match", '"x"')]),
    "13.1.1-if-match-compares-strongly": (FAILED, [("If-Match", "W/{tag}")]),
    "13.1.2-if-none-match-same": (NOT_MODIFIED, [("If-None-Match", "{tag}")]),
    "13.1.2-if-none-match-any": (NOT_MODIFIED, [("If-None-Match", "*")]),
    "13.1.2-if-none-match-among-others": (NOT_MODIFIED, [("If-None-Match", '"x",W/"y", {tag}')]),
    "13.1.2-if-none-match-on-two-lines": (
        NOT_MODIFIED,
        [("If-None-Match", '"x"'), ("If-None-Match", "{tag}")],
    ),
    "13.1.2-if-none-match-compares-weakly": (NOT_MODIFIED, [("If-None-Match", "W/{tag}")]),
    "13.1.2-if-none-match-other": (WHOLE, [("If-None-Match", '"x"')]),
    "13.1.3-if-modified-since-same": (NOT_MODIFIED, [("If-Modified-Since", "{made}")]),
    "13.1.3-if-modified-since-later": (NOT_MODIFIED, [("If-Modified-Since", IN_TIMES_TO_COME)]),
    "13.1.3-if-modified-since-earlier": (WHOLE, [("If-Modified-Since", LONG_AGO)]),
    "13.1.3-if-modified-since-no-date": (WHOLE, [("If-Modified-Since", "yesterday")]),
    "13.1.4-if-unmodified-since-same": (WHOLE, [("If-Unmodified-Since", "{made}")]),
    "13.1.4-if-unmodified-since-earlier": (FAILED, [("If-Unmodified-Since", LONG_AGO)]),
    "13.1.4-if-unmodified-since-no-date": (WHOLE, [("If-Unmodified-Since", "yesterday")]),
    "13.2.2-1-match-before-unmodified": (
        WHOLE,
        [("If-Match", "{tag}"), ("If-Unmodified-Since", LONG_AGO)],
    ),
    "13.2.2-1-match-before-none-match": (
        FAILED,
        [("If-Match", '"x"'), ("If-None-Match", "{tag}")],
    ),
    "13.2.2-3-none-match-before-modified": (
        WHOLE,
        [("If-None-Match", '"x"'), ("If-Modified-Since", "{made}")],
    ),
    "13.2.2-3-none-match-decides-alone": (
        NOT_MODIFIED,
        [("If-None-Match", "{tag}"), ("If-Modified-Since", LONG_AGO)],
    ),
    "13.2.2-5-conditions-before-range": (
        NOT_MODIFIED,
        [("If-None-Match", "{tag}"), ("Range", "bytes=0-9")],
    ),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("rule", CONDITIONS)
async def test_condition_decides_the_status(
    house: House, state: str, rule: str, method: str
) -> None:
    status, fields = CONDITIONS[rule]
    reply = await house.ask(state, *fields, method=method)
    assert reply.status == status
    assert reply.names("vary") == {"accept"}
    if status != FAILED:  # the rest of the head is the same, whatever was asked
        for name in ("etag", "cache-control", "access-control-allow-origin"):
            assert reply[name] == house.pictures[state].fields[name]
    if status == NOT_MODIFIED:
        assert reply.whole
        assert reply.body == b""
        assert not {"content-type", "content-length", "last-modified"} & dict(reply.fields).keys()


PARTS: dict[str, tuple[str, tuple[int, int] | str]] = {
    "14.1.2-first-and-last": ("bytes=10-99", (10, 99)),
    "14.1.2-one-byte": ("bytes=0-0", (0, 0)),
    "14.1.2-without-last": ("bytes=100000-", (100_000, SIZE - 1)),
    "14.1.2-last-behind-the-end": ("bytes=10-999999999999999999999", (10, SIZE - 1)),
    "14.1.2-suffix-longer-than-all": ("bytes=-900000", (0, SIZE - 1)),
    "14.1.2-last-before-first": ("bytes=9-3", "whole"),
    "14.1-unit-in-any-case": ("Bytes=10-99", (10, 99)),
    "14.2-other-unit": ("lines=1-2", "whole"),
    "14.2-no-range": ("bytes=", "whole"),
    "14.2-nonsense": ("bytes=a-b", "whole"),
    "14.2-too-many": ("bytes=" + ",".join(f"{n * 200}-{n * 200}" for n in range(40)), "whole"),
    "5.6.1.2-empty-members": ("bytes= ,10-99 ,,", (10, 99)),
    "15.3.7.2-overlapping-are-joined": ("bytes=10-60,50-99", (10, 99)),
    "15.3.7.2-adjacent-are-joined": ("bytes=50-99,10-49", (10, 99)),
    "15.5.17-first-behind-the-end": ("bytes=300000-", "unsatisfiable"),
    "15.5.17-empty-suffix": ("bytes=-0", "unsatisfiable"),
    "14.2-one-of-two-satisfiable": ("bytes=10-99,300000-", (10, 99)),
}


def is_known(picture: Picture, wanted: tuple[int, int], text: str) -> bool:
    """Whether a range can be answered while it is not known where the picture ends."""
    closed = not any(
        one.strip().startswith("-") or one.strip().endswith("-") for one in text[6:].split(",")
    )
    return picture.length is not None or (closed and wanted[1] < picture.here)


@pytest.mark.parametrize("rule", PARTS)
async def test_range_decides_the_bytes(house: House, state: str, rule: str) -> None:
    text, wanted = PARTS[rule]
    picture = house.pictures[state]
    if wanted == "unsatisfiable" and picture.length is None:
        wanted = "whole"
    if isinstance(wanted, tuple) and not is_known(picture, wanted, text):
        wanted = "whole"
    reply = await house.ask(state, ("Range", text))
    if wanted == "whole":
        assert (reply.status, reply.get("content-range")) == (200, None)
        assert BODY.startswith(reply.body)
    elif wanted == "unsatisfiable":
        assert (reply.status, reply["content-range"]) == (416, f"bytes */{SIZE}")
        assert reply["cache-control"] == "no-store"
    else:
        first, last = map(int, wanted)
        length = picture.length or "*"
        assert (reply.status, reply["content-range"]) == (206, f"bytes {first}-{last}/{length}")
        assert reply["content-length"] == str(last - first + 1)
        assert BODY[first : last + 1].startswith(reply.body)
        for name in ("etag", "last-modified", "cache-control", "content-type", "vary"):
            assert reply[name] == picture.fields[name]


async def test_bytes_that_are_here_are_served_at_once(house: House, state: str) -> None:
    picture = house.pictures[state]
    reply = await ask(house.stage.server.port, picture.target, ("Range", f"bytes=0-{HALF - 1}"))
    assert (reply.status, reply.whole) == (206, True)
    assert reply.body == BODY[:HALF]


async def test_range_that_begins_here_is_begun_at_once(house: House) -> None:
    target = house.pictures["running"].target
    port = house.stage.server.port
    reply = await ask(port, target, ("Range", f"bytes={HALF - 10}-{HALF + 10}"), upto=10)
    assert (reply.status, reply["content-length"]) == (206, "21")
    assert reply.body == BODY[HALF - 10 : HALF]


async def test_several_ranges_are_parts_of_one_body(house: House, state: str) -> None:
    picture = house.pictures[state]
    reply = await ask(house.stage.server.port, picture.target, ("Range", "bytes=500-509,10-19"))
    assert reply.status == 206  # RFC 9110 §14.6
    assert reply.get("content-range") is None
    kind, _, boundary = reply["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    length = picture.length or "*"
    expected = "".join(
        f"\r\n--{boundary}\r\nContent-Type: image/png\r\n"
        f"Content-Range: bytes {first}-{first + 9}/{length}\r\n\r\n"
        f"{BODY[first : first + 10].decode('latin-1')}"
        for first in (500, 10)
    )
    assert reply.body.decode("latin-1") == f"{expected}\r\n--{boundary}--\r\n"


IF_RANGE: dict[str, tuple[str, dict[str, int]]] = {
    "13.1.5-same-tag": ("{tag}", {}),
    "13.1.5-other-tag": ('"x"', dict.fromkeys(WIDTHS, 200)),
    "13.1.5-weak-tag": ("W/{tag}", dict.fromkeys(WIDTHS, 200)),
    "13.1.5-later-date": (IN_TIMES_TO_COME, dict.fromkeys(WIDTHS, 200)),
    "13.1.5-earlier-date": (LONG_AGO, dict.fromkeys(WIDTHS, 200)),
    "13.1.5-nonsense": ("rubbish", dict.fromkeys(WIDTHS, 200)),
}


@pytest.mark.parametrize("rule", IF_RANGE)
async def test_if_range_decides_between_the_part_and_the_whole(
    house: House, state: str, rule: str
) -> None:
    value, statuses = IF_RANGE[rule]
    reply = await house.ask(state, ("Range", "bytes=10-99"), ("If-Range", value))
    assert reply.status == statuses.get(state, 206)


async def test_13_1_5_date_is_strong_only_when_it_is_a_minute_old(house: House) -> None:
    port, old = house.stage.server.port, house.pictures["kept"]
    fresh = await ask(port, old.target + "&height=7")
    wanted = ("Range", "bytes=10-99")
    for target, fields, status in (
        (old.target, old.fields, 206),
        (old.target + "&height=7", dict(fresh.fields), 200),
    ):
        reply = await ask(port, target, wanted, ("If-Range", fields["last-modified"]))
        assert reply.status == status


@pytest.mark.parametrize("value", ["bytes=-7", f"bytes={SIZE - 7}-", f"bytes={SIZE - 7}-{SIZE}"])
async def test_14_1_2_end_of_a_running_picture_is_waited_for(house: House, value: str) -> None:
    house.last.append(Hold())
    target = house.stage.target(500) + f"&height={len(house.last)}"
    port = house.stage.server.port
    assert (await ask(port, target, upto=HALF)).status == 200
    async with asyncio.TaskGroup() as tasks:
        end = tasks.create_task(ask(port, target, ("Range", value)))
        part = tasks.create_task(ask(port, target, ("Range", f"bytes=10-{SIZE - 1}")))
        await asyncio.sleep(0.2)
        assert not end.done()
        house.last[-1].release()
    assert (end.result().status, end.result().body) == (206, BODY[-7:])
    assert (part.result().status, part.result().body) == (206, BODY[10:])


async def test_if_range_without_range_means_nothing(house: House, state: str) -> None:
    reply = await house.ask(state, ("If-Range", '"x"'))
    assert reply.status == 200


async def test_head_is_get_without_its_body_and_without_a_job(house: House, state: str) -> None:
    made = house.stage.imaginary.made
    get = await house.ask(state)
    for fields in ((), (("Range", "bytes=0-9"),)):  # RFC 9110 §14.2: Range is for GET alone
        head = await house.ask(state, *fields, method="HEAD")
        assert (head.status, head.body, head.whole) == (200, b"", True)
        ours = {name: value for name, value in head.fields if name not in OF_ONE_ANSWER}
        assert ours == {name: value for name, value in get.fields if name not in OF_ONE_ANSWER}
    assert house.stage.imaginary.made == made


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/imaginary/resize?width=100", "/healthz"])
async def test_15_5_6_other_method_is_told_which_are_allowed(
    house: House, method: str, path: str
) -> None:
    reply = await ask(house.stage.server.port, path, method=method)
    assert (reply.status, reply["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert reply.problem["value"] == method
    assert reply.problem["accepted"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", ["*", "/healthz", "/imaginary/resize?width=100"])
async def test_9_3_7_options_tells_the_methods(house: House, target: str) -> None:
    reply = await ask(house.stage.server.port, target, method="OPTIONS")
    assert (reply.status, reply["allow"], reply.body) == (204, "GET, HEAD, OPTIONS", b"")


async def test_15_5_18_unknown_expectation_is_refused(house: House, state: str) -> None:
    reply = await house.ask(state, ("Expect", "a-miracle"))
    assert (reply.status, reply.problem["accepted"]) == (417, "100-continue")


async def test_6_6_1_request_id_is_given_back_or_made(house: House, state: str) -> None:
    given = await house.ask(state, ("X-Request-Id", "page-7.13"))
    assert given["x-request-id"] == "page-7.13"
    for bad in ("a b", "x" * 65, "-x"):
        assert (await house.ask(state, ("X-Request-Id", bad)))["x-request-id"] != bad
