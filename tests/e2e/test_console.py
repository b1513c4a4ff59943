"""The operator's commands and routes over two real workers."""

import asyncio
import json
import os
import signal
from pathlib import Path
from urllib.parse import quote

from tests.e2e.commands import command
from tests.e2e.crew import Crew
from tests.e2e.harness import Stack, stack
from tests.e2e.purging import FIELDS, SETTINGS


async def held_somewhere(stage: Stack) -> None:
    for _ in range(4):
        await stage.client.get_many(stage.target(), 8)


async def test_explain_and_purge_tell_both_workers_apart(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, **SETTINGS) as stage:
        await held_somewhere(stage)
        status, out, errors = await command(stage.server, "explain", stage.target(), "--json")
        assert status == 0, errors
        told = json.loads(out)
        pids = {int(each["instance"].rpartition("/")[2]) for each in told["instances"]}
        assert pids == Crew(stage.server).pids
        assert told["silent"] == []
        assert all(each["verdict"].startswith("hit from") for each in told["instances"])
        assert told["entry"]["asOf"] == 0
        assert told["lastRecord"] is None

        source = stage.origin.url + "/photo.png"
        status, out, errors = await command(stage.server, "purge", source)
        assert (status, errors) == (0, "")
        assert out.splitlines()[1:] == [f"       1  {source}", "Invalidation 1 is done: 1 gone."]
        status, out, _ = await command(stage.server, "explain", stage.server.url + stage.target())
        assert status == 0
        assert out.count("miss: invalidation 1 removed it, by file 127.0.0.1/photo.png") == 2

        status, out, _ = await command(stage.server, "instances", "--json")
        assert [(each["state"], each["behind"]) for each in json.loads(out)] == [("runs", 0)] * 2
        status, out, errors = await command(stage.server, "purge", source + "x")
        assert (status, "Nothing was kept of" in errors) == (0, True)


async def test_purge_names_a_stopped_worker_and_ends_with_3(tmp_path: Path) -> None:
    async with stack(tmp_path, workers=2, purge_timeout=1.5, **SETTINGS) as stage:
        await held_somewhere(stage)
        stopped = min(Crew(stage.server).pids)
        os.kill(stopped, signal.SIGSTOP)
        try:
            status, _, errors = await command(stage.server, "purge", "--all")
            assert status == 3
            assert f"/{stopped}:" in errors
            _, out, _ = await command(stage.server, "instances", "--json")
            assert sorted(each["behind"] for each in json.loads(out)) == [0, 1]
            status, out, _ = await command(stage.server, "stats", "--json")
            told = json.loads(out)
            assert (status, len(told["instances"])) == (0, 1)
            assert [name.rpartition("/")[2] for name in told["silent"]] == [str(stopped)]
        finally:
            os.kill(stopped, signal.SIGCONT)


async def test_commands_without_a_token_tell_what_the_catalog_has(tmp_path: Path) -> None:
    async with stack(tmp_path) as stage:
        await held_somewhere(stage)
        status, out, _ = await command(stage.server, "explain", stage.target())
        assert status == 0
        assert "needs a token" in out
        assert "image/png, as of 0" in out
        status, out, _ = await command(stage.server, "stats")
        assert (status, "need a token" in out) == (0, True)
        assert (await stage.client.get("/stats")).status == 403
        target = f"/explain?target={quote(stage.target(), safe='')}"
        assert (await stage.client.get(target)).status == 403


async def test_figures_count_every_road(tmp_path: Path) -> None:
    async with stack(tmp_path, **SETTINGS) as stage:
        async with asyncio.timeout(20):
            asked = 1
            while "detail=memory" not in (await stage.get()).headers["cache-status"]:
                asked += 1
        for _ in range(10):
            await stage.get()
        text = (await stage.client.get("/metrics")).body.decode()
        counted = {
            line.rpartition('cache="')[2].split('"')[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("imcaxy_requests_total") and 'status="2xx"' in line
        }
        pictures = sum(counted.get(how, 0) for how in ("stored", "collapsed", "memory", "disk"))
        assert pictures == asked + 10, counted
        assert counted["memory"] == 11
        assert await stage.server.gauge("imcaxy_memory_items") == 1
        assert await stage.server.gauge("imcaxy_jobs") == 0
        assert await stage.server.gauge("imcaxy_log_lag_seconds") < 5
        body = (await stage.client.get("/stats", headers=FIELDS)).body
        assert json.loads(body)["process"]["memory"]["hits"] == counted["memory"]
        status, out, _ = await command(stage.server, "stats", "--json")
        told = json.loads(out)
        assert (status, told["catalog"]["entries"], told["silent"]) == (0, 1, [])
        assert len(told["instances"]) == 1
