"""Slow readers, many readers, large pictures: what a stream costs (I10 to I12)."""

import asyncio
import zlib
from pathlib import Path

import pytest

from tests.e2e.harness import Answer, Hold, Mass, eventually, png_of, stack

MIB = 1024 * 1024


async def test_i10_stalled_reader_is_cut_at_its_deadline_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    body = png_of(24 * MIB, seed=1)
    async with stack(tmp_path, client_timeout=8) as stage:
        stage.imaginary.answer(Answer(png_of(1 * MIB)))
        await stage.many(20, width=1)
        memory = stage.server.rss()
        hold = Hold()
        stage.imaginary.answer(Answer(body, before=hold))
        stalled = await stage.client.begin(stage.target(), receive_buffer=4096)
        await hold.reached()
        others = asyncio.gather(*(stage.get() for _ in range(10)))
        hold.release()
        responses = await others
        assert all(response.whole for response in responses)
        assert {zlib.crc32(response.body) for response in responses} == {zlib.crc32(body)}
        assert max(response.took for response in responses) < 6.0
        assert stage.server.connections() == 1  # the stalled one is still there
        assert stage.server.rss() - memory < 2 * len(body) + 24 * MIB
        await eventually(lambda: stage.server.connections() == 0, within=12.0)
        rest = await stalled.rest()
        assert not rest.whole
        assert len(rest.body) < len(body)
        assert stage.imaginary.made == 2


async def test_i10_slow_reader_that_keeps_taking_gets_everything(tmp_path: Path) -> None:
    body = png_of(8 * MIB, seed=2)
    async with stack(tmp_path, client_timeout=1) as stage:
        stage.imaginary.answer(Answer(body))
        slow = await stage.client.begin(stage.target(), receive_buffer=64 * 1024)
        response = await slow.rest(pace=0.01, piece=32 * 1024)
        assert response.whole
        assert response.body == body
        assert response.took > 2.0


@pytest.mark.parametrize("tier", ["stream", "disk"])
async def test_i10_slow_reader_gets_everything_of_a_picture_that_is_deleted_meanwhile(
    tmp_path: Path, tier: str
) -> None:
    body = png_of(12 * MIB, seed=3)
    async with stack(tmp_path) as stage:
        stage.imaginary.answer(Answer(body))
        while tier == "disk" and "disk" not in (await stage.get()).headers["cache-status"]:
            await asyncio.sleep(0.1)
        slow = await stage.client.begin(stage.target(), receive_buffer=64 * 1024)
        await slow.head()
        if tier == "stream":
            async with asyncio.timeout(60):
                while await stage.server.gauge("imcaxy_stream_bytes"):  # until it is sent on
                    await asyncio.sleep(0.1)
        (blob,) = tmp_path.glob(f"**/blobs/*/{'?' * 32}")
        blob.unlink()
        response = await slow.rest()
        assert response.whole
        assert response.body == body


@pytest.mark.slow
async def test_i11_thousand_readers_of_one_stream_share_its_bytes(tmp_path: Path) -> None:
    body = png_of(10 * MIB, seed=3)
    # The memory tier is too small for the picture: what grows is the stream.
    async with stack(tmp_path, memory_limit="1MiB") as stage:
        mass = await Mass.connect(stage.server.port, 1000)
        # A connection and a request that waits cost memory by themselves (docs/limits.md), whatever
        # is read: as many have waited in a small stream before the measurement begins.
        small = png_of(200_000)
        for width in (1, 2):
            hold = Hold()
            stage.imaginary.answer(Answer(small, hold=hold))
            mass.ask(stage.target(width))
            await mass.reach(len(small) // 2)
            hold.release()
            await mass.reach()
        before = stage.server.rss()
        hold = Hold()
        stage.imaginary.answer(Answer(body, hold=hold))
        mass.ask(stage.target())
        await mass.reach(len(body) // 2)
        assert hold.holding == 1
        half = stage.server.rss() - before
        hold.release()
        await mass.reach()
        whole = stage.server.rss() - before
        assert mass.all(lambda reader: reader.checksum == zlib.crc32(body))
        assert stage.imaginary.made == 3
        mass.close()
        assert max(half, whole) <= 15 * MIB, (half / MIB, whole / MIB)


@pytest.mark.slow
async def test_i11_stalled_one_of_a_thousand_readers_is_cut_and_the_others_finish(
    tmp_path: Path,
) -> None:
    body = png_of(10 * MIB, seed=5)
    async with stack(tmp_path, client_timeout=10) as stage:
        mass = await Mass.connect(stage.server.port, 999)
        hold = Hold()
        stage.imaginary.answer(Answer(body, before=hold))
        stalled = await stage.client.begin(stage.target(), receive_buffer=4096)
        mass.ask(stage.target())
        await hold.reached()
        hold.release()
        await mass.reach()
        assert mass.all(lambda reader: reader.checksum == zlib.crc32(body))
        assert stage.server.connections() == 1000  # the stalled one held up nobody
        await eventually(lambda: stage.server.connections() == 999, within=12.0)
        rest = await stalled.rest()
        assert not rest.whole
        assert len(rest.body) < len(body)
        assert stage.imaginary.made == 1
        mass.close()


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_i12_picture_over_its_bound_is_refused_or_cut_and_not_kept(
    tmp_path: Path, framing: str
) -> None:
    async with stack(tmp_path, max_variant_bytes="1MiB") as stage:
        stage.imaginary.answer(Answer(png_of(3 * MIB), framing=framing))  # type: ignore[arg-type] # a text
        for response in await stage.many(5):
            if framing == "length":
                assert response.status == 422
            else:
                assert not (response.status == 200 and response.whole)
                assert len(response.body) <= MIB
        assert stage.imaginary.made == 1


async def test_i12_streams_over_the_bound_of_all_get_503_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    body = png_of(MIB - 1000, seed=4)
    async with stack(tmp_path, max_variant_bytes="1MiB", stream_limit="2MiB") as stage:
        hold = Hold()
        stage.imaginary.answer(Answer(body, hold=hold, half=len(body) - 1))
        running = []
        for width in (1, 2):
            reader = await stage.begin(width)
            await reader.read(len(body) - 1)
            running.append(reader)
        # Two pictures fill the bound but for 2,002 bytes: a third has no room, whatever it does.
        refused = await asyncio.gather(*(stage.get(width) for width in range(3, 9)))
        for response in refused:
            assert not (response.status == 200 and response.whole)
            if response.status != 200:
                assert response.status == 503
                assert int(response.headers["retry-after"]) >= 1
        hold.release()
        for reader in running:
            assert (await reader.rest()).body == body
        # Their bytes are let go as soon as they are kept.
        async with asyncio.timeout(5):
            while (again := await stage.get(width=9)).status == 503:
                await asyncio.sleep(0.05)
        assert again.status == 200
        assert again.whole
