"""Reads the log for one instance, applies it, and tells the others how far it has come.

What it holds may be handed out while its last look at the log is young (design 6.5). An instance
that was paused, or whose reads hang, looks again first; when it cannot, it serves what it holds
until the grace is over, and after that nothing that it held.
"""

import asyncio
import logging
from collections.abc import Sequence

from imcaxy.clock import Clock
from imcaxy.errors import StoreError
from imcaxy.grammar.variant import LogPosition
from imcaxy.invalidation.ledger import Ledger
from imcaxy.store.catalog.base import Catalog, Instance, LogRecord
from imcaxy.tasks import Tasks

BRIEF = 0.5  # seconds that a job waits for a look at the log
PAUSED = 2.0  # seconds that the first requests after a pause wait for it: then it is cut off
BEAT = 10.0  # seconds between two signs of life when nothing happens, of a shorter grace a third
_PAGE = 1000  # records read at once
_LONGEST_PAUSE = 1.0  # seconds between two looks that fail
_TICKS = 8  # signs that this process runs, in the time after which a look is late

_log = logging.getLogger("imcaxy.invalidation")


class Follower:
    """Keeps one instance's ledger up with the log, and its row up with the ledger.

    `instance` is the row as it stands before the first record. Reads are shared: requests that
    wait for the same look wait for one read.
    """

    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        instance: Instance,
        clock: Clock,
        tasks: Tasks,
        grace: float,
    ) -> None:
        """`grace` seconds after its last look an instance that is cut off serves nothing kept."""
        self._catalog = catalog
        self._ledger = ledger
        self._instance = instance
        self._clock = clock
        self._tasks = tasks
        self._grace = grace
        self._late = catalog.pace.late
        self._beat = min(BEAT, grace / 3)
        self._read_at = float("-inf")  # Clock.now() at which the last look that succeeded began
        self._told_at = float("-inf")  # the same of the last row written
        self._told: LogPosition | None = None  # what that row says
        self._listed_at = float("-inf")  # when others began, or began again, to wait for this one
        self._current_until = float("-inf")  # Clock.now(); each hit compares it
        self._failing = False  # whether a look has failed, or hung, since the last that succeeded
        self._ran_at = clock.now()  # when this process was last seen to run
        self._woke_at = float("-inf")  # when it was last seen to go on after a pause
        self._look: asyncio.Task[bool] | None = None
        self._telling = asyncio.Lock()

    @property
    def position(self) -> LogPosition:
        """The newest record that was applied here."""
        return self._ledger.position

    @property
    def is_current(self) -> bool:
        """Whether what is held here may be handed out without a look at the log.

        Not by an instance that others may have struck from the list, however well it reads: nobody
        waits for it.
        """
        return self._clock.now() <= self._current_until

    @property
    def cut_off(self) -> bool:
        """Whether the log could not be read lately."""
        return self._failing

    @property
    def silence(self) -> float:
        """Seconds since the last look at the log that succeeded began."""
        return self._clock.now() - self._read_at

    def allows(self, keys: Sequence[str], as_of: LogPosition) -> bool:
        """Whether bytes of these keys and this age may be handed out (I2)."""
        return self._ledger.allows(keys, as_of)

    async def start(self) -> None:
        """Register, then stand at the head of the log (I0); nothing may be held yet."""
        await self._tell()
        began = self._clock.now()
        self._ledger.begin(await self._catalog.head())
        self._read_at = began
        await self._tell()

    async def follow(self) -> None:
        """Look at the log, apply, tell: for ever."""
        pause = poll = self._catalog.pace.poll
        while True:
            await self._clock.sleep(pause)
            done = await self._shared_look()
            pause = poll if done else min(_LONGEST_PAUSE, max(poll, pause) * 2)
            beat_is_due = self._clock.now() - self._told_at >= self._beat
            if done and (self._told != self._ledger.position or beat_is_due):
                await self.tell()

    async def notice_pauses(self) -> None:
        """Have a pause of this process known when a look fails in it: for ever."""
        while True:
            await self._clock.sleep(self._late / _TICKS)
            self._notice_pause()

    async def catch_up(self) -> None:
        """Return when what is still held here may be handed out.

        Looks at the log when the last look is old. When that fails, or does not end briefly, what
        is held stays until the grace is over; then it is forgotten, in the step that returns.
        """
        if self.is_current:
            return
        self._notice_pause()
        for _ in range(2):  # the first may have begun before the pause, and tell of that time
            if self._is_late and not self._failing and not await self._look_briefly(PAUSED):
                break
        self._failing = self._failing or self._is_late
        if not self._is_listed(self._clock.now()):
            self._ledger.forget()

    async def look_anew(self) -> None:
        """Look at the log from now on: every record that anybody has seen before is applied.

        Does nothing when the log cannot be read: what is made then is older, and judged so.
        """
        if self._look is not None:
            await self._look_briefly()  # it may have begun before that record was written
        await self._look_briefly()

    async def look_and_tell(self) -> None:
        """Apply at once what this process has written into the log, and say so."""
        await self.look_anew()
        await self.tell()

    async def tell(self) -> None:
        """Write the own row; a failure is told, and made good at the next look."""
        try:
            await self._tell()
        except StoreError as error:
            _log.warning("the instance's row was not written", extra={"reason": str(error)})

    async def leave(self) -> None:
        """Say that this instance serves nothing any more; raises StoreError."""
        await self._write(left=True)

    async def _tell(self) -> None:
        await self._write(left=False)

    async def _write(self, *, left: bool) -> None:
        async with self._telling:  # rows are written in the order of what they say
            began, position = self._clock.now(), self._ledger.position
            row = Instance(
                incarnation=self._instance.incarnation,
                name=self._instance.name,
                applied=position,
                seen=self._clock.wall(),
                left=left,
            )
            await self._catalog.write_instance(row)
            now = self._clock.now()
            if now - self._last_sign() > self._grace:
                self._listed_at = now
            self._told, self._told_at = position, began
            self._reckon()

    def _is_listed(self, now: float) -> bool:
        """Whether others have waited for this instance since its last look at the log, and do.

        Who was struck from the list and is on it anew has to look once more, as at the start (I0):
        nobody waited for it when the records in between were written.
        """
        return now - self._last_sign() <= self._grace and self._listed_at <= self._read_at

    def _reckon(self) -> None:
        """Until when it is current if nothing happens; called after everything that changes it."""
        until = min(self._read_at + self._late, self._last_sign() + self._grace)
        self._current_until = until if self._listed_at <= self._read_at else float("-inf")

    def _last_sign(self) -> float:
        """From when on others may take this instance for dead.

        Where they cannot tell by themselves, a row that was not written counts like a log that was
        not read: they strike it from the list.
        """
        if self._catalog.pace.dead_are_known:
            return self._read_at
        return min(self._read_at, self._told_at)

    @property
    def _is_late(self) -> bool:
        return self._clock.now() - self._read_at > self._late

    async def _look_briefly(self, seconds: float = BRIEF) -> bool:
        """Whether a look ended within this time, well or not."""
        look = self._start_look()
        done, _ = await asyncio.wait({look}, timeout=seconds)
        return bool(done)

    async def _shared_look(self) -> bool:
        look = self._start_look()
        await asyncio.wait({look})
        return not look.cancelled() and look.exception() is None and look.result()

    def _start_look(self) -> asyncio.Task[bool]:
        if self._look is None:
            self._look = self._tasks.start(self._look_once(), "look at the log")
            self._look.add_done_callback(self._looked)
        return self._look

    def _looked(self, _: object) -> None:
        self._look = None

    async def _look_once(self) -> bool:
        """Apply what is new; whether the end of the log was reached.

        A look that was under way in a pause ran out of time in it: its failure says nothing.
        """
        began = self._clock.now()
        try:
            reached = await self._read()
        except StoreError as error:
            self._notice_pause()
            if began >= self._woke_at:
                self._fail(error)
            return False
        if reached:
            if self._failing:
                _log.info("the log can be read again")
            self._read_at, self._failing = began, False
            self._reckon()
        return reached

    def _fail(self, error: StoreError) -> None:
        if not self._failing:
            _log.warning("the log cannot be read", extra={"reason": str(error)})
        self._failing = True

    def _notice_pause(self) -> None:
        """Forget what was known of the log's failing, if this process did not run for a while."""
        now = self._clock.now()
        if now - self._ran_at > self._late / 2:
            self._failing, self._woke_at = False, now
        self._ran_at = now

    async def _read(self) -> bool:
        """Read records from the one applied last, ascending, to the first gap (design 6.2)."""
        head = await self._catalog.head()
        while head != self._ledger.position:
            position = self._ledger.position
            page = await self._catalog.records(position.number, _PAGE)
            if not page or LogPosition(page[0].number, page[0].request) != position:
                _log.error("the log is another one: everything held is dropped")
                self._ledger.reset(head)
                return True
            self._apply(page[1:])
            if self._ledger.position == position:
                return False  # a gap, or a head that went back: look again
            if self._ledger.position.number >= head.number:
                return True
        return True

    def _apply(self, page: Sequence[LogRecord]) -> None:
        for record in page:
            if record.number != self._ledger.position.number + 1:
                return
            self._ledger.apply(record)
