"""The gallery over HTTP."""

import asyncio
from pathlib import Path

from imcaxy.gallery.page import gallery
from imcaxy.gallery.photographs import find_photographs
from imcaxy.server.answers import Answer
from imcaxy.server.application import Route
from imcaxy.server.exchange import Exchange


def routes(source_dir: Path | None) -> tuple[Route, ...]:
    """The routes of the gallery of this directory, read anew for every request."""

    async def page(exchange: Exchange) -> Answer:
        found = None
        if source_dir is not None:
            found = await asyncio.to_thread(find_photographs, source_dir)
        document = gallery(found)
        fields = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", document.policy),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        return Answer(200, fields, (document.body,), len(document.body))

    return (Route("/", {"GET": page}),)
