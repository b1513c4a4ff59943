import socket

import pytest

from imcaxy_invalidator.errors import Refused, Unreachable
from imcaxy_invalidator.server import Purge, Server
from tests.fakes.invalidations import TOKEN, FakeImcaxy, Trouble
from tests.invalidator.clocks import FakeClock

URL = "https://site.example/a.png"
PURGE = Purge("shop", "c" * 40, [URL])


def server(imcaxy: FakeImcaxy, token: str | None = TOKEN, **more: object) -> Server:
    clock = more.get("clock") or FakeClock()
    assert isinstance(clock, FakeClock)
    return Server(imcaxy.url + "/", token, seconds=5, attempts=3, clock=clock)


def test_last_commit_is_none_before_the_first_purge(imcaxy: FakeImcaxy) -> None:
    assert server(imcaxy).last("shop") is None
    imcaxy.commits["a/b c"] = "c" * 40
    last = server(imcaxy).last("a/b c")
    assert last is not None
    assert last.commit == "c" * 40


def test_purge_says_what_went(imcaxy: FakeImcaxy) -> None:
    imcaxy.kept[URL] = 3
    result = server(imcaxy).purge(PURGE)
    assert (result.removed, result.per_url, result.confirmed) == (3, {URL: 3}, True)
    assert imcaxy.commits == {"shop": "c" * 40}


def test_call_without_a_commit_leaves_the_projects_commit(imcaxy: FakeImcaxy) -> None:
    server(imcaxy).purge(Purge("shop", None, [URL], ["https://site.example/x/"]))
    assert imcaxy.commits == {}
    assert imcaxy.purged == {URL, "https://site.example/x/"}


def test_directory_of_file_is_purged_as_a_host(imcaxy: FakeImcaxy) -> None:
    server(imcaxy).purge(Purge("shop", None, [], ["file:/", "file:x/"]))
    assert imcaxy.calls[0]["hosts"] == ["file:"]
    assert imcaxy.calls[0]["folders"] == ["file:x/"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
def test_lost_answer_is_repeated_with_the_same_request(
    imcaxy: FakeImcaxy, status: int, after: bool
) -> None:
    imcaxy.troubles = [Trouble(status, after=after)] * 2
    clock = FakeClock()
    assert server(imcaxy, clock=clock).purge(PURGE).confirmed
    assert len(imcaxy.calls) == 3
    assert len({it["request"] for it in imcaxy.calls}) == 1
    assert len(imcaxy.applied) == 1
    assert len(clock.slept) == 2
    assert clock.slept[1] > clock.slept[0] > 0


def test_two_purges_have_two_requests(imcaxy: FakeImcaxy) -> None:
    server(imcaxy).purge(PURGE)
    server(imcaxy).purge(PURGE)
    assert len(imcaxy.applied) == 2


def test_server_says_when_to_come_again(imcaxy: FakeImcaxy) -> None:
    imcaxy.troubles = [
        Trouble(503, fields=(("Retry-After", "7"),)),
        Trouble(503, fields=(("Retry-After", "9999"),)),
    ]
    clock = FakeClock()
    server(imcaxy, clock=clock).purge(PURGE)
    assert clock.slept == [7.0, 30.0]


def test_unreachable_after_all_attempts(imcaxy: FakeImcaxy) -> None:
    imcaxy.troubles = [Trouble(503)] * 3
    with pytest.raises(Unreachable, match="answered 503: not now"):
        server(imcaxy).purge(PURGE)
    assert len(imcaxy.calls) == 3


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        port = taken.getsockname()[1]
        here = Server(f"http://127.0.0.1:{port}", TOKEN, attempts=2, clock=FakeClock())
        with pytest.raises(Unreachable, match=r"does not answer: .*refused"):
            here.last("shop")


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (Trouble(400), "answered 400: not now"),
        (Trouble(403, body=b'{"detail":"No.","accepted":"IMCAXY_X"}'), "No. Accepted: IMCAXY_X"),
        (Trouble(404, body=b"<h1>nginx</h1>"), "is this Imcaxy's address"),
        (Trouble(308, body=b"", fields=(("Location", "https://new.example/"),)), "new.example"),
        (Trouble(413, body=b'{"detail":"bad\\nline"}'), r"bad\\nline"),
        (Trouble(200, body=b"<h1>Welcome</h1>"), "does not answer as Imcaxy does"),
        (Trouble(200, body=b"[]"), "does not answer as Imcaxy does"),
    ],
)
def test_refusal_is_told_and_not_repeated(imcaxy: FakeImcaxy, trouble: Trouble, told: str) -> None:
    imcaxy.troubles = [trouble]
    with pytest.raises(Refused, match=told):
        server(imcaxy).purge(PURGE)
    assert len(imcaxy.calls) == 1


def test_page_of_another_server_is_no_project_without_a_commit(imcaxy: FakeImcaxy) -> None:
    imcaxy.troubles = [Trouble(404, body=b"<h1>Not Found</h1>")]
    with pytest.raises(Refused, match="does not answer as Imcaxy does"):
        server(imcaxy).last("shop")


def test_missing_and_wrong_token_are_told_apart(imcaxy: FakeImcaxy) -> None:
    with pytest.raises(Refused, match="set IMCAXY_INVALIDATOR_TOKEN"):
        server(imcaxy, None).purge(PURGE)
    with pytest.raises(Refused, match="another token is expected"):
        server(imcaxy, "wrong").purge(PURGE)
    assert imcaxy.applied == {}


def test_token_is_not_taken_along_to_another_address(imcaxy: FakeImcaxy) -> None:
    with FakeImcaxy() as other:
        to = (("Location", f"{other.url}/invalidate"),)
        imcaxy.troubles = [Trouble(307, fields=to)]
        with pytest.raises(Refused, match="it is at"):
            server(imcaxy).purge(PURGE)
        assert other.calls == []


def test_wait_ends_when_all_have_confirmed(imcaxy: FakeImcaxy) -> None:
    imcaxy.unconfirmed = [["one", "two"], ["two"]]
    here = server(imcaxy)
    result = here.purge(PURGE)
    assert (result.confirmed, result.unconfirmed) == (False, ["one", "two"])
    here.wait(result, 10)
    assert (result.confirmed, result.unconfirmed) == (True, [])


def test_wait_ends_when_its_time_is_up(imcaxy: FakeImcaxy) -> None:
    imcaxy.unconfirmed = [["one"]] * 100
    clock = FakeClock()
    here = server(imcaxy, clock=clock)
    result = here.purge(PURGE)
    here.wait(result, 3)
    assert result.unconfirmed == ["one"]
    assert clock.time == 3.0
