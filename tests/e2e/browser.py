"""A headless Chromium, driven over its debugging protocol: the few calls that tests need."""

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START = 30.0  # seconds until the browser must listen
PATIENCE = 60.0  # seconds for one condition
_POLL = 0.05  # seconds


class RefusedError(Exception):
    """The browser did not do what a protocol call asked for."""


class Page:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """The result of one protocol call; events that arrive meanwhile are left out."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            reply: dict[str, Any] = await self._socket.receive_json(timeout=PATIENCE)
            if reply.get("id") == number:
                if "error" in reply:
                    raise RefusedError(reply["error"])
                result: dict[str, Any] = reply["result"]
                return result

    async def value(self, expression: str) -> Any:
        """What the JavaScript expression is, as plain JSON."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    async def until(self, expression: str) -> None:
        """Return once the expression is true; between two documents it is not."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(RefusedError):
                    if await self.value(expression) is True:
                        return
                await asyncio.sleep(_POLL)

    async def screenshot(self, file: Path) -> None:
        """Write a PNG of the whole page."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browsing(address: str, profile: Path) -> AsyncIterator[Page]:
    """A page at this address, in a browser with a profile of its own."""
    profile.mkdir(parents=True, exist_ok=True)
    browser = subprocess.Popen(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--disable-background-networking", "--no-first-run", "--window-size=1300,1000"),
            *("--disable-component-update", "--disable-sync", "--disable-quic"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", address),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort", browser)
        async with aiohttp.ClientSession() as session:
            url = await _socket_of(session, f"http://127.0.0.1:{port}/json/list")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        browser.terminate()
        browser.wait(timeout=30)


async def _port(file: Path, browser: "subprocess.Popen[bytes]") -> int:
    async with asyncio.timeout(START):
        while not (file.exists() and file.read_text().count("\n")):
            assert browser.poll() is None, "the browser did not start"
            await asyncio.sleep(_POLL)
    return int(file.read_text().splitlines()[0])


async def _socket_of(session: aiohttp.ClientSession, address: str) -> str:
    async with asyncio.timeout(START):
        while True:
            async with session.get(address) as answer:
                targets = json.loads(await answer.text())
            for target in targets:
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(_POLL)
