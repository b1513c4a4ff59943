"""A request carried out, step after step, in the child."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import pyvips

from imcaxy.errors import (
    ImcaxyError,
    MissingParameter,
    ProcessingError,
    SourceError,
    Undecodable,
    VariantTooLarge,
)
from imcaxy.processors.vips import animation, colour, decoding, encoding, geometry, pixels
from imcaxy.processors.vips.decoding import Encoded, Header
from imcaxy.processors.vips.formats import INFO_TYPE, MEDIA_TYPES
from imcaxy.processors.vips.holding import HeldSource

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a request; most requests have one."""

    operation: str
    options: Options
    ignore_failure: bool = False  # go on with the picture as it was
    overlay: Encoded | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one picture may cost."""

    pixels: int  # of an original, and of the picture
    bytes: int  # of the picture's file


class Made(NamedTuple):
    """A finished picture."""

    media_type: str
    body: bytes


class _Job(NamedTuple):
    """A step that can be carried out: its sizes are known and allowed."""

    options: Options
    plan: geometry.Plan
    format: str  # of the picture after it
    overlay: pyvips.Image | None
    aim: pixels.Aim


def make(
    steps: Sequence[Step],
    originals: Sequence[Encoded],
    limits: Limits,
    held: HeldSource | None = None,
) -> Made:
    """The picture. Overlays stand in `originals` after the source, in the order of their steps.

    `held` is the source where others are made from it too.

    Pixels stay in memory between steps and are encoded once, as the last step says.
    Raises RequestError, SourceError, ProcessingError, and MemoryError when memory ran out.
    """
    source = originals[0]
    header = decoding.read_header(source, limits.pixels)
    if steps[0].operation == "info":
        return Made(INFO_TYPE, _info(header, source.format))
    todo = _fused(_with_overlays(steps, originals[1:]))
    animated = header.frames > 1 and _last_format(todo, source.format, header) in animation.FORMATS
    if not animated:
        header = replace(header, frames=1)
    job = None
    while job is None and todo:
        job = _job(todo.pop(0), header, source.format, limits)
    if job is None:
        job = _unchanged(header, source.format)

    def finish(image: pyvips.Image) -> tuple[str, bytes]:
        last, frames = _carried_out(job, todo, image, limits)
        film = animation.joined(frames, image)
        return last.format, encoding.encode(film, last.format, last.options)

    from_pixels = held.from_pixels if held else partial(decoding.from_pixels, source)
    try:
        kind, body = from_pixels(job.plan.shrink, finish, animated=animated)
    except pyvips.Error as error:
        raise decoding.translated(error) from error
    if len(body) > limits.bytes:
        raise VariantTooLarge(value=f"{len(body)} bytes", accepted=f"up to {limits.bytes} bytes")
    return Made(MEDIA_TYPES[kind], body)


def _with_overlays(steps: Sequence[Step], overlays: Sequence[Encoded]) -> list[Step]:
    given = iter(overlays)
    return [
        replace(step, overlay=next(given, None)) if step.operation == "watermarkimage" else step
        for step in steps
    ]


def _last_format(steps: Sequence[Step], kind: str, header: Header) -> str:
    for step in steps:
        if step.operation != "autorotate":
            kind = encoding.output_format(step.options.get("type"), kind, header.alpha)
    return kind


def _fused(steps: list[Step]) -> list[Step]:
    """The steps, without an `autorotate` that the next step does as well by itself.

    On its own it would decode every pixel of the source; the next one may need an eighth.
    """
    if len(steps) < 2 or steps[0].operation != "autorotate":
        return steps
    if steps[1].options.get("rotate") or steps[1].ignore_failure:  # which may not happen
        return steps
    options = {name: value for name, value in steps[1].options.items() if name != "norotation"}
    return [replace(steps[1], options=options), *steps[2:]]


def _job(step: Step, header: Header, kind: str, limits: Limits) -> _Job | None:
    """What the step comes to on such a picture; None when it cannot be done and need not be."""
    try:
        return _planned(step, header, kind, limits)
    except ImcaxyError:
        if step.ignore_failure:
            return None
        raise


def _planned(step: Step, header: Header, kind: str, limits: Limits) -> _Job:
    options = {} if step.operation == "autorotate" else step.options
    stored = header.width, header.height
    plan = geometry.plan(step.operation, options, stored, header.orientation, kind)
    after = encoding.output_format(options.get("type"), kind, header.alpha)
    geometry.check_size(plan.size, after, limits.pixels, header.frames)
    if plan.window is not None and plan.window.kind == "smart":  # which has to look at all of it
        geometry.check_size(plan.scaled, "", limits.pixels)
    overlay = _overlay(step, limits) if step.operation == "watermarkimage" else None
    return _Job(options, plan, after, overlay, pixels.Aim())


def _unchanged(header: Header, kind: str) -> _Job:
    plan = geometry.plan("autorotate", {}, (header.width, header.height), header.orientation, kind)
    return _Job({}, plan, encoding.output_format(None, kind, header.alpha), None, pixels.Aim())


def _carried_out(
    job: _Job, todo: Sequence[Step], image: pyvips.Image, limits: Limits
) -> tuple[_Job, list[pyvips.Image]]:
    """The last job that was done, and the frames of its picture."""
    frames = animation.each_frame(image, lambda frame: _done(job, frame))
    for step in todo:
        frames = [frame.copy_memory() for frame in frames]
        header = replace(decoding.header_of(frames[0]), frames=len(frames))
        following = _job(step, header, job.format, limits)
        if following is not None:
            job, frames = following, [_done(following, frame) for frame in frames]
    return job, frames


def _done(job: _Job, image: pyvips.Image) -> pyvips.Image:
    image = pixels.render(image, job.plan, job.options, job.overlay, job.aim)
    if job.format == "jpeg":
        image = colour.flatten(image, (0, 0, 0))
    return encoding.without_metadata(image) if job.options.get("stripmeta") else image


def _overlay(step: Step, limits: Limits) -> pyvips.Image:
    if step.overlay is None:
        raise MissingParameter(accepted="image")
    try:
        decoding.read_header(step.overlay, limits.pixels)
        image = decoding.from_pixels(
            step.overlay, 1, lambda overlay: colour.to_srgb(overlay).copy_memory()
        )
    except (pyvips.Error, SourceError, ProcessingError) as error:
        raise Undecodable("The watermark image cannot be decoded.") from error
    image = image if image.bands > 2 else image.colourspace("srgb")
    return image if image.hasalpha() else image.bandjoin(255)


def _info(header: Header, kind: str) -> bytes:
    facts = {
        "width": header.width,
        "height": header.height,
        "type": kind,
        "space": header.space,
        "hasAlpha": header.alpha,
        "hasProfile": header.profile,
        "channels": header.channels,
        "orientation": header.orientation,
    }
    return json.dumps(facts, separators=(",", ":")).encode()
