"""What can go wrong, and what the client is told.

ImcaxyError
├─ RequestError                400  the request itself is wrong
│  ├─ MalformedParameter       400
│  ├─ MissingParameter         400
│  ├─ OperationUnknown         404
│  ├─ OperationUnsupported     501  known, but this processor does not have it
│  ├─ FormatUnsupported        400
│  ├─ WidthRefused             400  not a width of the list that the operator has set
│  ├─ MethodNotAllowed         405
│  ├─ OriginRefused            403  the page's Origin is not allowed
│  ├─ RouteUnknown             404
│  ├─ InvalidationMalformed    400
│  ├─ TokenRefused             401
│  ├─ TokenUnset               403  this server has no token, so nobody may
│  ├─ InvalidationUnknown      404
│  ├─ ProjectUnknown           404  it has not invalidated anything yet
│  ├─ RequestReused            409  another invalidation has this request id
│  ├─ BodyMalformed            400  of a POST
│  ├─ BodyTooLarge             413  of a POST
│  ├─ SignatureMalformed       400
│  └─ SignatureMismatch        403
├─ SourceError                      the original image could not be had
│  ├─ SourceMalformed          400
│  ├─ SourceRefused            403  its address or domain is not allowed
│  ├─ SourceMissing            404
│  ├─ SourceEmpty              400  its origin answered without a single byte
│  ├─ SourceFailed             502  its origin failed or broke off
│  ├─ SourceTimeout            504
│  ├─ SourceTooLarge           422  bytes, pixels or frames
│  └─ SourceUnsupported        406  not a type that we read
├─ ProcessingError                  the picture could not be made
│  ├─ Undecodable              400
│  ├─ VariantTooLarge          422
│  ├─ ProcessorCrashed         502
│  ├─ ProcessorFailed          502
│  ├─ ProcessorUnavailable     503
│  └─ ProcessorTimeout         504
├─ InvalidationUnrecorded      503  perhaps not durable: the same request may be repeated
├─ CatalogUnavailable          503  what only the catalog knows cannot be told
├─ Overloaded                  503  a bound is reached; carries Retry-After
│  └─ Draining                 503
├─ InvalidatedMeanwhile        503  never shown: a job whose source was invalidated keeps nothing
├─ WaitExpired                 504  the picture was not ready within the request's deadline
├─ StoreError                       never shown: the store is left out and the picture still made
│  ├─ StoreFull                     the disk limit is reached: nothing is kept until there is room
│  ├─ CatalogError
│  └─ BlobError
│     ├─ BlobMissing
│     └─ BlobCorrupt
├─ InternalError               500  a fault of ours
└─ SettingsError                    the program does not start
"""

from typing import ClassVar, Self


class ImcaxyError(Exception):
    """Every error of this program; the class carries the policy, the instance the facts.

    `detail` is a public sentence; `value` the value at fault and `accepted` what would have been
    right, both public too. Internals go to the log, never in here.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"  # stable name: problem type, log field, claim outcome
    title: ClassVar[str] = "Something went wrong on our side."
    remember: ClassVar[float] = 0.0  # seconds that a failed job of this class is remembered

    def __init__(
        self,
        detail: str = "",
        *,
        value: str | None = None,
        accepted: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.value = value
        self.accepted = accepted
        self.retry_after = retry_after

    def to_record(self) -> dict[str, str | float | None]:
        """The error as plain values, to be shared with another process."""
        return {
            "kind": self.kind,
            "detail": self.detail,
            "value": self.value,
            "accepted": self.accepted,
            "retry_after": self.retry_after,
        }

    @staticmethod
    def from_record(record: dict[str, str | float | None]) -> "ImcaxyError":
        """The error that `to_record` described; an unknown kind becomes InternalError."""
        cls = _by_kind(ImcaxyError).get(str(record.get("kind")), InternalError)
        value, accepted = record.get("value"), record.get("accepted")
        retry_after = record.get("retry_after")
        return cls(
            str(record.get("detail") or ""),
            value=None if value is None else str(value),
            accepted=None if accepted is None else str(accepted),
            retry_after=None if retry_after is None else float(retry_after),
        )

    def again(self) -> Self:
        """A fresh copy to raise: one exception object shared by many readers grows a traceback."""
        return type(self)(
            self.detail, value=self.value, accepted=self.accepted, retry_after=self.retry_after
        )


def _by_kind(root: type[ImcaxyError]) -> dict[str, type[ImcaxyError]]:
    found = {root.kind: root} if "kind" in vars(root) else {}
    for child in root.__subclasses__():
        found |= _by_kind(child)
    return found


class RequestError(ImcaxyError):
    """The request itself is wrong; asking again will not help."""

    status, kind, title = 400, "bad-request", "The request is not one that we understand."


class MalformedParameter(RequestError):
    """A parameter's value cannot be read."""

    kind, title = "malformed-parameter", "A parameter has a value that we cannot read."


class MissingParameter(RequestError):
    """The operation needs a parameter that is not there."""

    kind, title = "missing-parameter", "A required parameter is missing."


class WidthRefused(RequestError):
    """The width is not one of those that the server allows."""

    kind, title = "width-refused", "Pictures of this width are not made here."


class OperationUnknown(RequestError):
    """No operation has this name."""

    status, kind, title = 404, "unknown-operation", "There is no such operation."


class OperationUnsupported(RequestError):
    """The operation exists, but the configured processor does not have it."""

    status, kind, title = 501, "unsupported-operation", "This server cannot do that operation."


class FormatUnsupported(RequestError):
    """The output type is not one that the configured processor can write."""

    kind, title = "unsupported-format", "Unsupported output image format."


class MethodNotAllowed(RequestError):
    """The route does not answer this method."""

    status, kind, title = 405, "method-not-allowed", "This method is not allowed here."


class OriginRefused(RequestError):
    """The page that asks is not on the list of allowed origins."""

    status, kind, title = 403, "origin-refused", "This origin may not use this server."


class RouteUnknown(RequestError):
    """Nothing lives at this path."""

    status, kind, title = 404, "unknown-route", "There is nothing at this path."


class InvalidationMalformed(RequestError):
    """What shall be invalidated cannot be read."""

    kind, title = "malformed-invalidation", "The invalidation is not one that we understand."


class TokenRefused(RequestError):
    """The request carries no token that is accepted."""

    status, kind, title = 401, "token-refused", "A valid token is needed here."


class TokenUnset(RequestError):
    """The server was started without a token, so nobody may use the route."""

    status, kind, title = 403, "token-unset", "No token is set, so this is closed to everybody."


class InvalidationUnknown(RequestError):
    """No invalidation has this number."""

    status, kind, title = 404, "unknown-invalidation", "There is no such invalidation."


class ProjectUnknown(RequestError):
    """The project has not invalidated anything yet."""

    status, kind, title = 404, "unknown-project", "This project has not invalidated anything yet."


class RequestReused(RequestError):
    """Another invalidation was made under this request id."""

    status, kind, title = 409, "request-reused", "This request id belongs to another invalidation."


class BodyMalformed(RequestError):
    """The body of a POST holds no picture that can be taken out."""

    kind, title = "malformed-body", "The body of the request cannot be read."


class BodyTooLarge(RequestError):
    """The body of a POST has more bytes than a source may have."""

    status, kind, title = 413, "body-too-large", "The body of the request is too large."


class SignatureMalformed(RequestError):
    """The signature of the URL is not one."""

    kind, title = "malformed-signature", "Invalid URL signature."


class SignatureMismatch(RequestError):
    """The signature of the URL is another URL's, or was made with another key."""

    status, kind, title = 403, "signature-mismatch", "URL signature mismatch."


class SourceError(ImcaxyError):
    """The original image could not be had."""

    status, kind, title = 502, "source", "The source image could not be fetched."


class SourceMalformed(SourceError):
    """The source's address cannot be read."""

    status, kind, title = 400, "malformed-source", "The source address is not one that we can read."


class SourceRefused(SourceError):
    """The source lies where this server must not connect to."""

    status, kind, title = 403, "source-refused", "The source address is not allowed."
    remember = 60.0


class SourceMissing(SourceError):
    """The origin says that there is no such image."""

    status, kind, title = 404, "source-missing", "The source image does not exist."
    remember = 30.0


class SourceEmpty(SourceError):
    """The origin says that the image has no bytes."""

    status, kind, title = 400, "source-empty", "The source image is empty."
    remember = 3.0


class SourceFailed(SourceError):
    """The origin failed, refused or broke off."""

    status, kind, title = 502, "source-failed", "The source's server failed to deliver the image."
    remember = 3.0


class SourceTimeout(SourceError):
    """The origin did not deliver in time."""

    status, kind, title = 504, "source-timeout", "The source image did not arrive in time."
    remember = 3.0


class SourceTooLarge(SourceError):
    """The source has more bytes, pixels or frames than the settings allow."""

    status, kind, title = 422, "source-too-large", "The source image is too large."
    remember = 60.0


class SourceUnsupported(SourceError):
    """The source is not an image of a type that we read."""

    status, kind, title = 406, "source-unsupported", "Unsupported media type."
    remember = 60.0


class ProcessingError(ImcaxyError):
    """The picture could not be made."""

    status, kind, title = 502, "processing", "The picture could not be made."


class Undecodable(ProcessingError):
    """The source's bytes are damaged, or the operation is impossible on them."""

    status, kind, title = 400, "undecodable", "The picture cannot be made from this source."
    remember = 60.0


class VariantTooLarge(ProcessingError):
    """The picture would be larger than the settings allow."""

    status, kind, title = 422, "variant-too-large", "The requested picture is too large."
    remember = 60.0


class ProcessorCrashed(ProcessingError):
    """The process that made the picture died."""

    status, kind, title = 502, "processor-crashed", "The picture's maker died while making it."
    remember = 5.0


class ProcessorFailed(ProcessingError):
    """The processor answered with an error, or with something that is not a picture."""

    status, kind, title = 502, "processor-failed", "The picture's maker failed."
    remember = 2.0


class ProcessorUnavailable(ProcessingError):
    """The processor cannot be reached."""

    status, kind, title = 503, "processor-unavailable", "The picture's maker cannot be reached."
    remember = 2.0


class ProcessorTimeout(ProcessingError):
    """The picture was not made within its deadline."""

    status, kind, title = 504, "processor-timeout", "Making the picture took too long."
    remember = 10.0


class Overloaded(ImcaxyError):
    """A bound is reached; nothing was begun."""

    status, kind, title = 503, "overloaded", "The server is at its limit; try again shortly."


class Draining(Overloaded):
    """The server is shutting down."""

    kind, title = "draining", "The server is shutting down."


class InvalidationUnrecorded(ImcaxyError):
    """The invalidation may not be in the log; repeating the same request is safe."""

    status, kind = 503, "invalidation-unrecorded"
    title = "The invalidation could not be recorded."


class CatalogUnavailable(ImcaxyError):
    """The catalog does not answer, and nobody else knows."""

    status, kind, title = 503, "catalog-unavailable", "The catalog does not answer."


class InvalidatedMeanwhile(ImcaxyError):
    """The source was invalidated while its picture was made: what was made is not kept."""

    status, kind, title = 503, "invalidated", "The source was invalidated while it was read."


class WaitExpired(ImcaxyError):
    """The picture was not ready within the request's deadline; its job goes on."""

    status, kind, title = 504, "wait-expired", "The picture was not ready in time."


class StoreError(ImcaxyError):
    """The store failed; the picture is made and streamed all the same."""

    kind = "store"


class StoreFull(StoreError):
    """A bound, not a fault: what is kept is served on."""

    kind = "store-full"


class CatalogError(StoreError):
    """The catalog failed or did not answer in time."""

    kind = "catalog"


class BlobError(StoreError):
    """The blob store failed or did not answer in time."""

    kind = "blob"


class BlobMissing(BlobError):
    """No blob has this name."""

    kind = "blob-missing"


class BlobCorrupt(BlobError):
    """The blob's bytes are not those that were kept."""

    kind = "blob-corrupt"


class InternalError(ImcaxyError):
    """A fault of ours."""

    kind = "internal-error"


class SettingsError(ImcaxyError):
    """The settings cannot work; the message lists every mistake."""

    kind = "settings"
