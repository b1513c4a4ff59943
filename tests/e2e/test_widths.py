"""The allowed widths of a real server: refused, rounded up, or not looked at."""

import json
from pathlib import Path

from tests.e2e.asking import ask
from tests.e2e.server import ROOT, Server

TARGET = "/imaginary/crop?file=coffee.jpg&type=jpeg&"


def settings(rule: str) -> dict[str, object]:
    return {"source_dir": ROOT / "samples", "width_rule": rule, "widths": "64,128"}


async def test_strict_refuses_other_widths_and_says_which_are_allowed(tmp_path: Path) -> None:
    async with Server(tmp_path, **settings("strict")) as server:
        refused = await ask(server.port, f"{TARGET}width=100&height=50")
        allowed = await ask(server.port, f"{TARGET}width=128&height=50")
    assert (refused.status, refused["content-type"]) == (400, "application/problem+json")
    problem = json.loads(refused.body)
    assert problem["type"].endswith("/width-refused")
    assert (problem["value"], problem["accepted"]) == ("100", "64, 128")
    assert allowed.status == 200


async def test_snap_makes_one_picture_of_the_widths_below_a_step(tmp_path: Path) -> None:
    async with Server(tmp_path, **settings("snap")) as server:
        first = await ask(server.port, f"{TARGET}width=100&height=50")
        same = await ask(server.port, f"{TARGET}width=128&height=64")
    assert (first.status, same.status) == (200, 200)
    assert (same["etag"], same.body) == (first["etag"], first.body)
    assert "stored" not in same["cache-status"]  # from memory, or from the job that still runs


async def test_without_the_setting_every_width_is_made(tmp_path: Path) -> None:
    async with Server(tmp_path, source_dir=ROOT / "samples", widths="64,128") as server:
        odd = await ask(server.port, f"{TARGET}width=101&height=50")
        even = await ask(server.port, f"{TARGET}width=128&height=50")
    assert (odd.status, even.status) == (200, 200)
    assert odd["etag"] != even["etag"]
