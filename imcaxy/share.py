"""What of the machine one server process may take."""

import resource
from dataclasses import dataclass

from imcaxy.machine import memory_of_machine
from imcaxy.settings import Settings

FILES = 65_536  # open files that a server process asks for
HEADS = 16  # the part of the memory limit that heads take is one of so many, or 1 MiB
OWN_FILES = 512  # of them that are no connections of clients; without any left it could only spin
FEW_BLOBS = 64  # of these: kept pictures whose files stay open
BLOBS = 4096  # the same where MANY_FILES may be open, and a quarter of these at most: 2 KiB each
MANY_FILES = 8192
MIB = 1024 * 1024
CONNECTIONS = 32  # sources that are fetched at the same time, per machine


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's part of the machine's limits."""

    memory: int  # bytes of kept pictures
    heads: int  # bytes of heads that the fast lane holds ready for them
    streams: int  # bytes
    downloads: int  # bytes
    making: int  # bytes that pictures take while they are made
    running: int  # jobs
    jobs: int  # jobs, running or waiting
    connections: int  # to origins
    clients: int  # connections from clients
    blobs: int  # that stay open

    @classmethod
    def of(cls, settings: Settings) -> "Share":
        """An equal part for each worker, and enough for one picture at least."""
        count = settings.workers
        memory = settings.memory_limit // count
        heads = min(memory // 2, max(memory // HEADS, MIB)) if settings.fast_lane else 0
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        blobs = min(BLOBS, files // 4) if files >= MANY_FILES else FEW_BLOBS
        room = files - OWN_FILES - (blobs - FEW_BLOBS)
        return cls(
            memory=memory - heads,
            heads=heads,
            streams=max(settings.stream_limit // count, settings.max_variant_bytes),
            downloads=max(settings.download_limit // count, settings.max_source_bytes),
            making=(settings.making_limit or memory_of_machine() // 2) // count,
            running=max(1, settings.running // count),
            jobs=max(1, settings.queue_limit // count),
            connections=max(1, CONNECTIONS // count),
            clients=max(1, min(settings.max_connections // count, room)),
            blobs=blobs,
        )


def allow_many_files() -> None:
    """Take as many open files as the system grants, up to FILES: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
