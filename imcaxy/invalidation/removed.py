"""What is kept for ever of an entry that an invalidation removed. Pure."""

from typing import NamedTuple
from urllib.parse import parse_qsl

from imcaxy.store.catalog.base import Entry

PICTURES = "/imaginary/"  # where the pictures' routes begin


class Removed(NamedTuple):
    """One entry that an invalidation hit, as it is kept for ever."""

    signature: str
    media_type: str
    length: int  # bytes
    route: str  # operation and canonical query

    @classmethod
    def of(cls, entry: Entry) -> "Removed":
        """What is worth keeping of an entry."""
        return cls(entry.signature, entry.head.media_type, entry.sum.length, entry.request)

    @classmethod
    def parse(cls, text: str) -> "Removed":
        """What `str` gave."""
        signature, media_type, length, route = text.split(" ", 3)
        return cls(signature, media_type, int(length), route)

    def __str__(self) -> str:
        return f"{self.signature} {self.media_type} {self.length} {self.route}"

    def to_json(self) -> dict[str, object]:
        """The picture as clients of the earlier program know it."""
        operation, _, query = self.route.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        source = params.pop("url", None) or params.pop("file", "")
        return {
            "rawRequest": PICTURES + self.route,
            "requestSignature": self.signature,
            "processorType": "imaginary",
            "processorEndpoint": f"/{operation}",
            "mimeType": self.media_type,
            "imageSize": self.length,
            "sourceImageURL": source,
            "processingParams": params,
        }
