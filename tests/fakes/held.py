"""Pictures that are in memory behind the real proxy and the real store."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imcaxy.clock import Clock
from imcaxy.grammar.variant import LOG_START, Head
from imcaxy.proxy.base import Asked
from imcaxy.proxy.planning import ImagePlan, Rules
from imcaxy.proxy.proxy import ImageProxy
from imcaxy.server.access_log import AccessLog
from imcaxy.server.application import Application
from imcaxy.server.policy import Health, HttpPolicy
from imcaxy.store.blobs.base import BlobSum
from imcaxy.store.blobs.open_file import OpenFile
from imcaxy.store.catalog.base import Entry
from tests.fakes.clock import FakeClock
from tests.fakes.instance import Instance
from tests.fakes.processor import FakeProcessor

FROZEN_ID = "0" * 24


class KnownCommits:
    """The commits that a test says were answered."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    async def answered(self, commit: str) -> bool:
        return commit in self.known

    def was_answered(self, commit: str) -> bool:
        return commit in self.known


class HeldPictures(Instance):
    """Any number of servers over one memory tier, at a time that stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.processor = FakeProcessor(b"made")
        rules = Rules(auto_formats=("webp",), save_data_quality_step=20, request_timeout=5.0)
        self.parts = replace(self.parts, processor=self.processor)
        self.commits = KnownCommits()
        self.proxy = ImageProxy(self.parts, self.jobs, self.commits, None, rules)
        self._copies = 0

    def asked(self, target: str, accept: str | None = None, *, save_data: bool = False) -> Asked:
        path, _, query = target.partition("?")
        operation = path.removeprefix("/imaginary/")
        return Asked(operation, query, accept, save_data, wants_image=False)

    def plan(self, target: str, accept: str | None = None, *, save_data: bool = False) -> ImagePlan:
        return self.proxy.plan(self.asked(target, accept, save_data=save_data))

    def hold(
        self, target: str, body: bytes, accept: str | None = None, *, save_data: bool = False
    ) -> str:
        """Put a copy of the picture into memory; its signature."""
        plan = self.plan(target, accept, save_data=save_data)
        self._copies += 1
        wall = self.clock.wall()
        head = Head("image/webp", len(body), f'"tag-{plan.signature[:8]}-{self._copies}"', wall - 7)
        total = BlobSum(len(body), "0" * 64)
        entry = Entry(
            f"copy{self._copies}", plan.signature, ("key", "*"), LOG_START, total, head, 1.0, wall
        )
        assert self.memory.put(entry, body)
        return plan.signature

    def hold_in_file(
        self, target: str, body: bytes, path: Path, kind: type[OpenFile] = OpenFile
    ) -> None:
        """Have it in a file that is open instead, and never again in memory."""
        signature = self.hold(target, body)
        held = self.memory.get(signature)
        assert held is not None
        self.memory.drop(signature)
        path.write_bytes(body)
        opened = self.store._opened
        opened.put(held.entry, kind(os.open(path, os.O_RDONLY), os.close))
        opened._opened[signature].offer_at = 1 << 60

    def application(
        self, log: Callable[[bytes], None], policy: HttpPolicy, clock: Clock | None = None
    ) -> Application:
        used = clock or FakeClock()
        return Application(
            self.proxy,
            policy,
            Health,
            used,
            AccessLog(log, used),
            new_id=lambda: FROZEN_ID,
        )
