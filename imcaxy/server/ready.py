"""The head of an answer that is given again and again: laid out once, stamped once a second."""

import sys
from dataclasses import dataclass, field

from imcaxy.server.dates import format_date
from imcaxy.server.headers import stamp
from imcaxy.server.origins import Fields
from imcaxy.store.blobs.base import OpenBlob

_OBJECTS = 1024  # bytes: the objects of one Ready, but for its texts
_STAMPED = 1024  # bytes of a stamped head, at most, about
_ID = "X-Request-Id: "


@dataclass(slots=True)
class Head:
    """The lines of a head; `Date`, `Age` and the request's id are filled in.

    Most lines are the same for every picture, and are held once for all of them.
    """

    line: str  # the status line and the name of `Date`
    before: tuple[str, ...]  # lines between `Date` and `Age`
    after: tuple[str, ...]  # lines between `Age` and X-Request-Id
    end: bytes  # from behind the request's id to the body

    @classmethod
    def lay_out(cls, line: str, fields: Fields, length: int | None) -> "Head":
        """The head of these fields, which begin with `Date` and have an `Age`."""
        names = [name for name, _ in fields]
        age = names.index("Age")
        lines = [sys.intern(f"{name}: {value}\r\n") for name, value in fields]
        ending = "\r\n\r\n" if length is None else f"\r\nContent-Length: {length}\r\n\r\n"
        return cls(
            line=sys.intern(f"HTTP/1.1 {line}\r\n{names[0]}: "),
            before=tuple(lines[1:age]),
            after=tuple(lines[age + 1 :]),
            end=ending.encode(),
        )

    def stamped(self, date: int, age: int) -> bytes:
        """The bytes before the request's id."""
        before, after = "".join(self.before), "".join(self.after)
        return f"{self.line}{format_date(date)}\r\n{before}Age: {age}\r\n{after}{_ID}".encode()


@dataclass(slots=True)
class Ready:
    """How one copy of a picture is answered, whole and with 304."""

    name: str  # of the copy: the answers of another one are laid out anew
    tier: str  # where it was
    etag: str
    made_at: float  # seconds since 1970 UTC
    seconds: int  # of the shortest lifetime that it is given
    whole: Head
    unchanged: Head
    length: int  # bytes of the body
    log_target: bytes  # redacted, as JSON
    log_cache: bytes  # `Cache-Status`, as JSON
    log_whole: bytes = field(init=False, repr=False)  # the middle of a line of the access log
    log_unchanged: bytes = field(init=False, repr=False)
    log_end: bytes = field(init=False, repr=False)
    _second: int = field(default=-1, init=False)
    _whole_head: bytes = field(default=b"", init=False, repr=False)
    _unchanged_head: bytes = field(default=b"", init=False, repr=False)

    def __post_init__(self) -> None:
        self.log_whole = self.log_as(200, self.length)
        self.log_unchanged = self.log_as(304, 0)
        self.log_end = b',"cache":%b,"problem":null,"ended":' % self.log_cache

    def log_as(self, status: int, sent: int) -> bytes:
        """The middle of a line of the access log: from the method to the seconds."""
        facts = (self.log_target, status, sent)
        return b',"method":"GET","target":%b,"status":%d,"bytes":%d,"seconds":' % facts

    @property
    def weight(self) -> int:
        """Bytes that holding it takes, about: its own lines, the stamped bytes, the objects."""
        return _OBJECTS + 3 * len(self.log_target) + 2 * len(self.etag) + 2 * _STAMPED

    def whole_head(self, wall: float) -> bytes:
        """The head of a 200 up to the request's id, at this time."""
        if int(wall) != self._second:
            self._stamp(wall)
        return self._whole_head

    def unchanged_head(self, wall: float) -> bytes:
        """The head of a 304 up to the request's id, at this time."""
        if int(wall) != self._second:
            self._stamp(wall)
        if not self._unchanged_head:
            self._unchanged_head = self.unchanged.stamped(*self._stamped(wall))
        return self._unchanged_head

    def _stamp(self, wall: float) -> None:
        self._second = int(wall)
        self._whole_head = self.whole.stamped(*self._stamped(wall))
        self._unchanged_head = b""

    def _stamped(self, wall: float) -> tuple[int, int]:
        return stamp(self.made_at, wall, self.seconds)


# An answer to be written in this step: its head, its body (empty with a 304; an open blob where the
# kernel is to send it), what it was laid out from, its status, the request's id, and when it was
# begun (seconds of Clock.now). A bare tuple: a named one takes longer than all that is in it.
Reply = tuple[bytes, bytes | OpenBlob, Ready, int, bytes, float]
