"""Entries that nobody can be given any more, found part by part (design 6.7)."""

from typing import Any

from imcaxy.store.catalog import liveness
from imcaxy.store.catalog.documents import Document
from imcaxy.store.catalog.mongo_client import Database
from imcaxy.store.catalog.mongo_schema import ENTRIES

_PAGE = 500  # entries judged together: four reads
_PAGES = 20  # pages in one part; a sweep of a million entries takes many parts
_SIBLINGS = 10_000  # entries with the signatures of one page


class Walk:
    """Goes round all entries in the order of their `as_of`, a part with every call.

    Not every engine can join, so each page of entries is judged by the log, and against the other
    entries of its signatures.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after: tuple[int, str] | None = None  # as_of and blob of the last one looked at

    async def next(self, limit: int) -> list[Document]:
        """Up to `limit` inert entries; fewer than there are when the part ended before."""
        inert: dict[str, Document] = {}
        turned = self._after is None
        for _ in range(_PAGES):
            page = await self._page()
            for entry in await self._inert_of(page):
                inert[entry["_id"]] = entry
            if len(inert) >= limit:
                break  # the caller removes them and asks again
            if len(page) < _PAGE:
                self._after = None
                if turned:
                    break
                turned = True
            else:
                self._after = (page[-1]["as_of"], page[-1]["_id"])
        return list(inert.values())[:limit]

    async def _page(self) -> list[Document]:
        chosen: dict[str, Any] = {}
        if self._after is not None:
            as_of, blob = self._after
            chosen = {"$or": [{"as_of": {"$gt": as_of}}, {"as_of": as_of, "_id": {"$gt": blob}}]}
        sort = [("as_of", 1), ("_id", 1)]
        return await self._database.some(ENTRIES, chosen, _PAGE, sort=sort)

    async def _inert_of(self, page: list[Document]) -> list[Document]:
        """Those of the page that are not live, or behind a live one of the same signature."""
        if not page:
            return []
        chosen = {"signature": {"$in": sorted({entry["signature"] for entry in page})}}
        fields = ("signature", *liveness.FIELDS)
        siblings = await self._database.some(ENTRIES, chosen, _SIBLINGS, fields=fields)
        best: dict[str, tuple[int, str]] = {}
        for entry in await liveness.live(self._database, siblings):
            rank = (entry["as_of"], entry["_id"])
            best[entry["signature"]] = max(rank, best.get(entry["signature"], rank))
        return [entry for entry in page if best.get(entry["signature"], ("",))[-1] != entry["_id"]]
