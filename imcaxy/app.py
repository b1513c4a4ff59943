"""The composition root: settings in, running server out. The only file that wires."""

import asyncio
import contextlib
import logging
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from imcaxy import adapters, gallery, stores
from imcaxy.clock import Clock
from imcaxy.errors import ImcaxyError, StoreError
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.grammar.variant import LOG_START
from imcaxy.hub.hub import Hub
from imcaxy.invalidation.clearing import Clearing
from imcaxy.invalidation.confirming import Confirming
from imcaxy.invalidation.follower import Follower
from imcaxy.invalidation.ledger import Ledger
from imcaxy.invalidation.purge import Purger
from imcaxy.invalidation.revalidating import Revalidating
from imcaxy.invalidation.tending import Tending
from imcaxy.invalidation.versions import Versions
from imcaxy.jobs.claims import LEASE, Claims
from imcaxy.jobs.failures import Failures
from imcaxy.jobs.job import Parts
from imcaxy.jobs.jobs import Jobs
from imcaxy.jobs.slots import Slots
from imcaxy.journal import Journal, JournalHandler
from imcaxy.proxy.explaining import Observer
from imcaxy.proxy.fallback import Fallback
from imcaxy.proxy.planning import Planner
from imcaxy.proxy.proxy import ImageProxy
from imcaxy.server.access_log import AccessLog
from imcaxy.server.application import Application
from imcaxy.server.counters import Counters
from imcaxy.server.invalidations import Invalidations
from imcaxy.server.listening import Listener
from imcaxy.server.observing import Observing
from imcaxy.server.policy import Health, HttpPolicy
from imcaxy.server.tokens import Tokens
from imcaxy.server.vitals import Vitals
from imcaxy.server.workers import Supervisor, worker_command
from imcaxy.settings import Settings
from imcaxy.share import Share, allow_many_files
from imcaxy.sources.base import SourceReader
from imcaxy.sources.bodies import Bodies
from imcaxy.sources.downloads import DownloadLimits, Downloads
from imcaxy.store.ageing import Ageing
from imcaxy.store.catalog.base import Instance
from imcaxy.store.memory import MemoryTier
from imcaxy.store.room import DiskRoom
from imcaxy.store.store import Store
from imcaxy.store.upkeep import Care, Upkeep, disk_outlook
from imcaxy.tasks import Tasks

_log = logging.getLogger("imcaxy.app")

Finding = tuple[str, bool, str]  # a dependency's name, whether it works, and what was found


class Server:
    """One server process: wired, started in order, stopped in the reverse one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._share = Share.of(settings)
        self._incarnation = uuid.uuid4().hex
        self._clock = Clock()
        self._tasks = Tasks()
        self._background = Tasks()  # of those that never end
        self._unready: str | None = "starting"
        self._stopping = asyncio.Event()
        self._journal = Journal(1)
        timeout = settings.store_timeout
        self._blobs = stores.blobs(settings, self._clock)
        self._catalog = stores.catalog(settings, self._clock)
        self._room = DiskRoom(settings.disk_limit)
        self._memory = MemoryTier(self._share.memory)
        self._store = Store(
            self._catalog,
            self._blobs,
            self._memory,
            self._clock,
            self._tasks,
            timeout,
            room=self._room,
            open_blobs=self._share.blobs,
        )
        self._failures = Failures(self._clock, factor=settings.remember_failures)
        self._hub = Hub(self._share.streams, settings.max_variant_bytes)
        self._claims = Claims(self._catalog, self._incarnation, self._clock, self._tasks)
        self._http = adapters.http_reader(settings)
        self._bodies = Bodies(settings.max_source_bytes, settings.fetch_timeout)
        self._readers: dict[str, SourceReader] = {
            "url": self._http,
            "file": adapters.file_reader(settings),
            "body": self._bodies,
        }
        self._processor = adapters.processor(settings, self._share, self._clock, self._http)
        self._downloads = self._make_downloads()
        self._versions = Versions(self._catalog, self._clock)
        self._follower = Follower(
            self._catalog,
            Ledger(self._store, self._hub, self._downloads, self._failures, self._versions),
            Instance(self._incarnation, settings.instance_name, LOG_START, self._clock.wall()),
            self._clock,
            self._tasks,
            settings.offline_grace,
        )
        self._confirming = Confirming(self._catalog, self._clock, settings.offline_grace)
        self._clearing = Clearing(self._catalog, self._confirming, self._clock)
        self._tending = Tending(
            self._confirming,
            self._clearing,
            self._clock,
            dead_are_known=self._catalog.pace.dead_are_known,
        )
        self._listener = Listener(self._application(), self._clock)

    def _make_downloads(self) -> Downloads:
        settings, share = self._settings, self._share
        return Downloads(
            self._readers,
            DownloadLimits(
                max_pixels=settings.max_pixels,
                max_frames=settings.max_frames,
                max_bytes_held=share.downloads,
                max_running=share.connections,
                max_waiting=share.jobs,
                wait=settings.queue_timeout,
            ),
            self._tasks,
            lambda source: purge_keys([source]),
        )

    def _application(self) -> Application:
        settings, share = self._settings, self._share
        parts = Parts(
            hub=self._hub,
            store=self._store,
            claims=self._claims,
            downloads=self._downloads,
            processor=self._processor,
            slots=(
                slots := Slots(share.running, settings.queue_timeout, self._clock, share.making)
            ),
            failures=self._failures,
            log=self._follower,
            clock=self._clock,
            tasks=self._tasks,
            revalidates=settings.revalidate_after > 0,
            claim_timeout=LEASE
            + settings.fetch_timeout
            + settings.queue_timeout
            + settings.process_timeout,
            keeps=settings.keep,
        )
        jobs = Jobs(parts, share.jobs, self._tasks)
        fallback = None
        if settings.fallback == "source":
            fallback = Fallback(self._downloads, lambda: self._follower.position, self._clock)
        proxy = ImageProxy(parts, jobs, self._versions, fallback, adapters.rules(settings))
        policy = HttpPolicy(
            allowed_origins=settings.allowed_origins,
            max_age=settings.max_age,
            shared_max_age=settings.shared_max_age,
            stale_while_revalidate=settings.stale_while_revalidate,
            client_timeout=settings.client_timeout,
            request_timeout=settings.request_timeout,
            remember_failures=settings.remember_failures,
            max_connections=share.clients,
            fast_lane_limit=share.heads,
            signature_key=settings.url_signature_key.reveal().encode(),
        )
        counters, purger, tokens = Counters(), self._purger(), Tokens(settings.tokens)
        log = AccessLog(self._journal.emit, self._clock, counters)
        observing = Observing(
            settings.instance_name,
            Vitals(
                counters=counters,
                memory=self._memory,
                hub=self._hub,
                jobs=jobs,
                slots=slots,
                downloads=self._downloads,
                log=self._follower,
                purger=purger,
            ),
            Planner(adapters.rules(settings), self._processor),
            Observer(self._store, self._hub, self._failures, self._follower),
            self._catalog,
        )
        extra = (
            *gallery.routes(settings.source_dir),
            *Invalidations(purger, tokens).routes(),
            *observing.routes(tokens),
        )
        bodies = self._bodies if settings.allow_post else None
        return Application(proxy, policy, self._health, self._clock, log, extra, bodies=bodies)

    def _purger(self) -> Purger:
        purger = Purger(
            self._catalog,
            self._confirming,
            self._clearing,
            self._clock,
            self._tasks,
            self._settings.purge_timeout,
        )
        purger.at_append(self._follower.look_and_tell)
        self._age(purger)
        return purger

    def _age(self, purger: Purger) -> None:
        longest, after = self._settings.max_entry_age, self._settings.revalidate_after
        if not longest and not after:
            return
        revalidating = Revalidating(
            self._catalog,
            self._http,
            purger.purge,
            self._incarnation,
            self._clock,
            self._tasks,
            after=after,
        )
        self._store.age_by(
            Ageing(self._clock, longest=longest, due_after=after, due=revalidating.due)
        )

    def _health(self) -> Health:
        failing = self._store.failing or self._claims.failing
        reason = "the store fails: what it does not have is made anew" if failing else None
        return Health(self._unready, reason)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Open the store, then the door (design I0); ImcaxyError when something cannot work."""
        await self._blobs.start()
        await self._catalog.start(self._blobs.id)
        await self._follower.start()
        await self._processor.start()
        self._background.detach(self._follower.follow(), "follow the log")
        self._background.detach(self._follower.notice_pauses(), "notice pauses")
        self._background.detach(self._tending.tend(), "tend")
        await self._listener.start(sockets)
        self._tasks.detach(self._upkeep().run(self._stopping), "upkeep")
        self._unready = None

    def stop_soon(self) -> None:
        """Begin the end; `run` then drains and returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop_soon`, then let running answers and jobs end."""
        await self._stopping.wait()
        self._unready = "draining"
        _log.info("draining", extra={"connections": self._listener.connections})
        timeout = self._settings.drain_timeout
        await self._listener.drain(timeout)
        await self._tasks.drain(timeout)  # the log is followed to the last answer

    async def close(self) -> None:
        """Release everything; the instance's row says that it left."""
        await self._background.drain(0.0)
        with contextlib.suppress(StoreError):
            await self._follower.leave()
        await self._processor.close()
        for reader in self._readers.values():
            await reader.close()
        await self._catalog.close()
        await self._blobs.close()
        self._journal.close()

    async def check(self) -> list[Finding]:
        """What each dependency says when it is tried."""
        blobs = await _tried("blobs", self._blobs.start, self._blobs.check)
        catalog: Finding = ("catalog", False, "not tried, because the blobs do not work")
        if blobs[1]:
            catalog = await _tried(
                "catalog", lambda: self._catalog.start(self._blobs.id), self._catalog.check
            )
        elif self._settings.minio_endpoint:  # then it is another server, which is reached or not
            catalog = await _tried("catalog", self._catalog.check)
        findings = [blobs, catalog]
        if blobs[1] and catalog[1] and (local := stores.local(self._blobs)):
            look = partial(disk_outlook, self._catalog, local, self._settings.disk_limit)
            findings.append(await _tried("disk", look))
        return [*findings, await _tried("processor", self._processor.check)]

    def _upkeep(self) -> Upkeep:
        settings = self._settings
        return Upkeep(
            catalog=self._catalog,
            blobs=self._blobs,
            store=self._store,
            room=self._room,
            clock=self._clock,
            incarnation=self._incarnation,
            care=Care(settings.store_timeout, settings.scrub_rate, stores.local(self._blobs)),
        )


async def serve(
    settings: Settings,
    sockets: Sequence[socket.socket],
    ready: Callable[[], None],
    lifeline_fd: int = -1,
) -> int:
    """Serve on these sockets until SIGTERM, SIGINT or the end of the lifeline; the exit status.

    `ready` is called once, when requests are answered; never when the server cannot start.
    """
    messages = _log_to(2)
    allow_many_files()  # before the server shares them out
    server = Server(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop_soon)
    if lifeline_fd >= 0:  # a hang-up of the whole group is the parent's: it replaces its workers
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    else:  # one process alone has nobody to replace it: the end of its terminal ends it
        loop.add_signal_handler(signal.SIGHUP, server.stop_soon)

    def orphaned() -> None:
        loop.remove_reader(lifeline_fd)  # its end stays readable and would wake the loop for ever
        server.stop_soon()

    try:
        await server.start(sockets)
        ready()
        if lifeline_fd >= 0:
            loop.add_reader(lifeline_fd, orphaned)
        await server.run()
    finally:
        if lifeline_fd >= 0:
            loop.remove_reader(lifeline_fd)
        await server.close()
        messages.close()
    return 0


async def supervise(
    settings: Settings, sockets: Sequence[socket.socket], environment: Mapping[str, str]
) -> int:
    """Run one worker process per socket until told to stop; the exit status."""
    messages = _log_to(2)
    supervisor = Supervisor(worker_command(), environment, sockets, settings.drain_timeout)
    try:
        return await supervisor.run()
    finally:
        messages.close()


async def check(settings: Settings) -> list[Finding]:
    """Try everything that serving needs."""
    server = Server(settings)
    try:
        return await server.check()
    finally:
        await server.close()


async def _tried(name: str, *steps: Callable[[], Awaitable[object]]) -> Finding:
    """What the last of the steps found, or why one of them failed."""
    found: object = None
    try:
        for step in steps:
            found = await step()
    except ImcaxyError as error:
        return name, False, error.detail
    return name, True, str(found)


def _log_to(descriptor: int) -> Journal:
    """The journal that the program's own messages go to from now on."""
    journal = Journal(descriptor)
    logger = logging.getLogger("imcaxy")
    logger.setLevel(logging.INFO)
    logger.handlers = [JournalHandler(journal)]
    logger.propagate = False
    return journal
