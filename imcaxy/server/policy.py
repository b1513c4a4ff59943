"""What the HTTP side is told by the rest of the program, as plain values."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """The promises made to clients and the patience had with them."""

    allowed_origins: tuple[str, ...] = ("*",)  # hosts; "*" allows every page
    max_age: int = 300  # seconds that browsers keep a picture
    shared_max_age: int | None = None  # seconds that CDNs keep it; None sends none
    stale_while_revalidate: int = 86400  # seconds
    client_timeout: float = 30.0  # seconds in which a client must take one piece
    remember_failures: float = 1.0  # factor on the seconds that clients keep a failure
    request_timeout: float = 60.0  # seconds that the next piece of a picture may take to come
    max_connections: int = 10_000  # open at once; one more is told to come again
    signature_key: bytes = field(default=b"", repr=False)  # of signed URLs; none asks for none
    fast_lane_limit: int = 16 * 1024 * 1024  # bytes of laid out answers; 0 turns the lane off


@dataclass(frozen=True, slots=True)
class Health:
    """How the server does; both are sentences for operators."""

    unready: str | None = None  # why it should not be asked now
    degraded: str | None = None  # what works less well than it should, while pictures are served
