from imcaxy.console.asking import Heard
from imcaxy.console.explaining import UNASKED, Explanation, told
from imcaxy.console.instances import Standing

PICTURE = {
    "request": "/imaginary/resize?url=https%3A%2F%2Fh%2Fa.png&width=100",
    "signature": "5ad",
    "keys": {"*": "everything", "1": "host h", "2": "file h/a.png"},
    "entry": None,
    "staleEntry": None,
    "lastRecord": None,
    "claim": None,
}
ENTRY = {
    "blob": "b10b",
    "length": 1234,
    "mediaType": "image/webp",
    "asOf": 4,
    "madeAt": 1_700_000_000.0,
    "usedAt": 1_700_000_060.0,
    "uses": 5,
    "secondsToMake": 0.25,
}
RECORD = {
    "number": 6,
    "at": 1_700_000_000.0,
    "projectName": "shop",
    "commitHash": "c0ffee",
    "names": ["host h", "file h/a.png"],
}
WEB = [Standing(name, name, "runs", 6, 0, 0.1) for name in ("web/1", "web/2")]


def test_each_instance_has_a_line_and_the_silent_ones_too() -> None:
    answer = {"holds": "memory", "applied": 6, "verdict": "hit from memory"}
    heard = Heard({"web/1": answer}, "no answer on h port 1: timed out")
    lines = told(Explanation(PICTURE, WEB, heard))
    assert [cell.strip() for cell in lines[-4].split("  ") if cell.strip()] == [
        "web/1",
        "memory",
        "6",
        "hit from memory",
    ]
    assert "it has not answered" in lines[-3]
    assert lines[-1] == "no answer on h port 1: timed out"


def test_entry_record_and_keys_are_worded() -> None:
    picture = {**PICTURE, "entry": ENTRY, "lastRecord": RECORD}
    text = "\n".join(told(Explanation(picture, [], Heard())))
    assert "1234 bytes, image/webp, as of 4, made 2023-11-14 22:13:20Z in 0.25 s" in text
    assert "invalidation 6 of 2023-11-14 22:13:20Z, shop c0ffee: host h and file h/a.png" in text
    assert "purge key      everything\n               host h\n" in text


def test_stale_entry_says_by_which_invalidation() -> None:
    picture = {**PICTURE, "staleEntry": ENTRY, "lastRecord": RECORD}
    assert "stale since invalidation 6: 1234 bytes" in "\n".join(
        told(Explanation(picture, [], Heard()))
    )


def test_claim_says_whose_it_is() -> None:
    picture = {**PICTURE, "claim": {"number": 2, "by": "web/1", "running": True}}
    assert "2 by web/1, running" in "\n".join(told(Explanation(picture, [], Heard())))


def test_without_a_token_it_says_what_it_needs() -> None:
    found = Explanation(PICTURE, WEB, Heard(problem=UNASKED))
    assert told(found)[-1] == UNASKED
    assert found.to_json()["silent"] == ["web/1", "web/2"]
