"""How a claim's job ended, as the text that the catalog keeps."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from imcaxy.errors import ImcaxyError


@dataclass(frozen=True, slots=True)
class Outcome:
    """Kept, dropped without a result, or failed with an error that others share for a while."""

    kept: bool
    error: ImcaxyError | None = None
    boot: str = ""  # the boot of the machine whose clock `until` is on
    until: float = 0.0  # seconds on that machine's clock; failures only

    def fresh(self, now: float) -> bool:
        """Whether the failure still stands; clocks of two machines are never compared."""
        return self.error is not None and self.boot == boot_id() and now < self.until

    def render(self, at: float) -> str:
        """The text for the catalog; `at` is when the job ended, in seconds since 1970 UTC."""
        record = self.error.to_record() if self.error else None
        facts = {"kept": self.kept, "error": record, "boot": self.boot, "until": self.until}
        return orjson.dumps(facts | {"at": at}).decode()


KEPT = Outcome(kept=True)
DROPPED = Outcome(kept=False)


def failed(error: ImcaxyError, until: float) -> Outcome:
    """The job failed; until then, on this machine's clock, others need not try."""
    return Outcome(kept=False, error=error, boot=boot_id(), until=until)


def parse(text: str) -> Outcome:
    """The outcome that `render` wrote."""
    data: dict[str, Any] = orjson.loads(text)
    error = ImcaxyError.from_record(data["error"]) if data["error"] else None
    return Outcome(bool(data["kept"]), error, str(data["boot"]), float(data["until"]))


@cache
def boot_id() -> str:
    """A name for this boot of this machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
