"""What one server process holds and does, in figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imcaxy.hub.hub import Hub
from imcaxy.invalidation.follower import Follower
from imcaxy.invalidation.purge import Purger
from imcaxy.jobs.jobs import Jobs
from imcaxy.jobs.slots import Slots
from imcaxy.server.counters import Counters
from imcaxy.server.exposition import Metric
from imcaxy.sources.downloads import Downloads
from imcaxy.store.memory import MemoryTier


@dataclass(frozen=True, slots=True)
class Vitals:
    """The parts of one process that have figures."""

    counters: Counters
    memory: MemoryTier
    hub: Hub
    jobs: Jobs
    slots: Slots
    downloads: Downloads
    log: Follower
    purger: Purger

    def to_json(self) -> dict[str, object]:
        """The figures for people; bytes and seconds."""
        requests: dict[str, int] = {}
        for _, how, count in self.counters.answers():
            requests[how] = requests.get(how, 0) + count
        return {
            "requests": requests,
            "bytesSent": self.counters.sent,
            "memory": {
                "bytes": self.memory.bytes,
                "limit": self.memory.limit,
                "items": len(self.memory),
                "hits": requests.get("memory", 0),
            },
            "streams": {"count": len(self.hub), "bytes": self.hub.bytes},
            "jobs": {
                "all": len(self.jobs),
                "running": self.slots.busy,
                "waiting": self.slots.waiting,
            },
            "downloads": {"count": len(self.downloads), "bytes": self.downloads.bytes_held},
            "log": {
                "applied": self.log.position.number,
                "silence": round(self.log.silence, 3),
                "current": self.log.is_current,
                "cutOff": self.log.cut_off,
            },
            "purges": self.purger.recorded,
        }

    def metrics(self) -> Iterator[Metric]:
        """The same for Prometheus."""
        answers = [
            ({"status": status, "cache": how}, float(count))
            for status, how, count in self.counters.answers()
        ]
        yield Metric(
            "imcaxy_requests_total", "counter", "Answers by status class and cache result.", answers
        )
        yield _counter("sent_bytes_total", "Bytes of bodies sent.", self.counters.sent)
        yield _gauge("memory_bytes", "Bytes of the memory tier.", self.memory.bytes)
        yield _gauge("memory_limit_bytes", "Bytes that it may have.", self.memory.limit)
        yield _gauge("memory_items", "Pictures in the memory tier.", len(self.memory))
        yield _gauge("streams", "Pictures being made and delivered.", len(self.hub))
        yield _gauge("stream_bytes", "Bytes held for them.", self.hub.bytes)
        yield _gauge("jobs", "Jobs that run or wait.", len(self.jobs))
        yield _gauge("jobs_running", "Pictures being made.", self.slots.busy)
        yield _gauge("jobs_waiting", "Jobs that wait for a slot.", self.slots.waiting)
        yield _gauge("downloads", "Sources being read or held.", len(self.downloads))
        yield _gauge("download_bytes", "Bytes held for them.", self.downloads.bytes_held)
        yield _gauge("log_applied", "Newest record applied.", self.log.position.number)
        yield _gauge("log_lag_seconds", "Seconds since the log was read.", self.log.silence)
        yield _counter("purges_total", "Invalidations recorded here.", self.purger.recorded)


_NO_LABELS: Mapping[str, str] = {}


def _gauge(name: str, text: str, value: float) -> Metric:
    return Metric(f"imcaxy_{name}", "gauge", text, [(_NO_LABELS, value)])


def _counter(name: str, text: str, value: float) -> Metric:
    return Metric(f"imcaxy_{name}", "counter", text, [(_NO_LABELS, value)])
