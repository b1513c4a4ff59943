import os
import re
from pathlib import Path

import pytest

from tests.e2e.browser import browsing
from tests.e2e.server import ROOT, Server

FACTS = re.compile(r"\d+ \u00d7 \d+ · image/(jpeg|png|webp|avif)\n[\d.]+ kB · \d+ ms")


@pytest.mark.needs("chromium")
async def test_gallery_in_a_browser_second_load_is_all_hits(tmp_path: Path) -> None:
    async with (
        Server(tmp_path, source_dir=ROOT / "samples") as server,
        browsing(f"{server.url}/", tmp_path / "profile") as page,
    ):
        await page.until("document.body.dataset.loads === '1'")
        first = await page.value("document.querySelector('#totals').textContent")
        assert re.fullmatch(r"28 pictures, 0 hits, 28 misses, \d+ kB, \d+ ms", first)
        await page.value("document.querySelector('#again').click()")
        await page.until("document.body.dataset.loads === '2'")
        second = await page.value("document.querySelector('#totals').textContent")
        assert re.fullmatch(r"28 pictures, 28 hits, \d+ kB, \d+ ms", second)
        shown = await page.value("[...document.querySelectorAll('.facts')].map(e => e.textContent)")
        assert [text for text in shown if not FACTS.fullmatch(text)] == []
        auto = await page.value("document.querySelector('.facts').textContent")
        assert "image/webp" in auto
        if folder := os.environ.get("SHOTS"):  # where a person wants to look at it
            await page.screenshot(Path(folder) / "gallery.png")
