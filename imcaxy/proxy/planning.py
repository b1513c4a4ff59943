"""What a request means to this server: its canonical request and its signature. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imcaxy.errors import FormatUnsupported, OperationUnknown, OperationUnsupported
from imcaxy.grammar.image_request import ImageRequest
from imcaxy.grammar.ladder import Ladder, hold_to_ladder
from imcaxy.grammar.negotiation import negotiate
from imcaxy.grammar.parse import Parsed, parse_image_request
from imcaxy.grammar.pipeline import named_formats, request_steps
from imcaxy.grammar.signature import signature
from imcaxy.processors.base import Processor
from imcaxy.proxy.base import Asked, Plan


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of requests."""

    auto_formats: Sequence[str]
    save_data_quality_step: int  # points of quality; 0 ignores Save-Data
    request_timeout: float  # seconds that a request waits for its head, look-up included
    ladder: Ladder | None = None  # None allows every width


@dataclass(frozen=True, slots=True)
class ImagePlan(Plan):
    """What a request means."""

    request: ImageRequest
    signature: str
    version: str | None  # the client's `v=`
    wants_image: bool
    is_unchanged: Callable[[str], bool] | None  # whether the client has the picture of this tag

    @property
    def posted(self) -> bool:
        """Whether the original was sent along: the picture is made, and nothing is kept."""
        return self.request.source.kind == "body"


class Planner:
    """Reads requests by the rules of the settings and the abilities of the processor."""

    def __init__(self, rules: Rules, processor: Processor) -> None:
        self._rules = rules
        self._processor = processor
        self._auto_formats = [f for f in rules.auto_formats if f in processor.formats]

    def plan(self, asked: Asked) -> ImagePlan:
        """What the request means; raises RequestError and SourceError before any work."""
        parsed = self._parse(asked)
        ladder = self._rules.ladder
        allowed = hold_to_ladder(parsed.request, ladder) if ladder else parsed.request
        request, vary = negotiate(
            allowed,
            asked.accept,
            asked.save_data,
            self._auto_formats,
            self._rules.save_data_quality_step,
        )
        self._refuse_what_cannot_be_made(request)
        return ImagePlan(
            vary=vary,
            request=request,
            signature=signature(request, self._processor.name, self._processor.recipe),
            version=parsed.version,
            wants_image=asked.wants_image,
            is_unchanged=asked.is_unchanged,
        )

    def _parse(self, asked: Asked) -> Parsed:
        """The request; a name that is none of the API's is answered with what this server has."""
        try:
            return parse_image_request(asked.operation, asked.query, asked.body)
        except OperationUnknown as error:
            raise OperationUnknown(value=error.value, accepted=self._operations()) from None
        except FormatUnsupported as error:
            raise FormatUnsupported(value=error.value, accepted=self._formats()) from None

    def _refuse_what_cannot_be_made(self, request: ImageRequest) -> None:
        name, known = self._processor.name, self._processor
        steps = request_steps(request)
        for operation in (request.operation, *(step.operation for step in steps)):
            if operation not in known.operations:
                raise OperationUnsupported(
                    f"The {name} processor has no operation {operation!r}.",
                    value=operation,
                    accepted=self._operations(),
                )
        for wanted in sorted(named_formats(steps)):
            if wanted not in known.formats:
                raise FormatUnsupported(
                    f"The {name} processor cannot write {wanted!r}.",
                    value=wanted,
                    accepted=self._formats(),
                )

    def _operations(self) -> str:
        return ", ".join(sorted(self._processor.operations))

    def _formats(self) -> str:
        return ", ".join(sorted(self._processor.formats))
