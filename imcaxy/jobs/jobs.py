"""The jobs of this instance: at most one per variant, and not too many."""

import logging

from imcaxy.errors import Draining, ImcaxyError, InternalError, Overloaded
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.purge_keys import purge_keys
from imcaxy.hub.stream import Stream
from imcaxy.jobs.job import Job, Parts
from imcaxy.jobs.slots import Abandoned
from imcaxy.tasks import Tasks

_log = logging.getLogger("imcaxy.jobs")


class Jobs:
    """Makes each variant once, however many ask; a job belongs to the server, not to a client."""

    def __init__(self, parts: Parts, limit: int, tasks: Tasks) -> None:
        """At most `limit` jobs wait or run."""
        self._parts = parts
        self._limit = limit
        self._tasks = tasks
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, request: ImageRequest, signature: str) -> tuple[Stream, bool]:
        """The variant's stream, and whether it was there already; else a job is started for it.

        One step of the event loop, so that two requests cannot start two jobs. Raises a remembered
        failure, and Overloaded when a bound is reached.
        """
        if (stream := self._parts.hub.find(signature)) is not None:
            return stream, True
        if (error := self._parts.failures.recall(signature)) is not None:
            raise error
        if self._count >= self._limit:
            raise Overloaded(retry_after=self._parts.slots.retry_after())
        stream = self._parts.hub.open(signature, purge_keys(request.sources))
        self._count += 1
        self._tasks.detach(self._run(stream, request, signature), f"job {signature[:8]}")
        return stream, False

    async def _run(self, stream: Stream, request: ImageRequest, signature: str) -> None:
        failures = self._parts.failures
        try:
            await self._make(stream, request, signature)
        except Abandoned as error:
            stream.fail(error)
        except ImcaxyError as error:
            if not stream.detached:
                failures.note(signature, error, failures.lifetime(error), stream.keys)
            stream.fail(error)
        except Exception:
            stream.fail(InternalError())
            _log.exception("a job failed", extra={"signature": signature})
        finally:
            stream.fail(Draining())  # cancelled by a stop; nothing when it has ended
            self._count -= 1
            self._parts.hub.remove(signature, stream)

    async def _make(self, stream: Stream, request: ImageRequest, signature: str) -> None:
        """Run a job into the stream; raises Abandoned only while nobody waits for it.

        1. the last reader leaves  2. its job's turn comes: dropped  3. the job ends its claim
        4. a reader joins: the stream is still in the hub      -> the job starts again, at the end
        of the queue. Who sees Abandoned raised here removes the stream in the same step.
        """
        while True:
            try:
                return await Job(self._parts, stream, request, signature).run()
            except Abandoned:
                if stream.abandoned or stream.detached:
                    raise
