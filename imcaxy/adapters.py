"""What the settings choose for processors and sources, and what they say of requests."""

import ipaddress

from imcaxy.clock import Clock
from imcaxy.grammar.ladder import Ladder
from imcaxy.nameserver import parse_nameserver
from imcaxy.processors.base import Processor
from imcaxy.processors.imaginary.engine import Bounds
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from imcaxy.processors.vips.processor import VipsProcessor
from imcaxy.proxy.planning import Rules
from imcaxy.settings import Settings
from imcaxy.share import Share
from imcaxy.sources.directory import DirectoryReader
from imcaxy.sources.fetching import HttpReader


def processor(settings: Settings, share: Share, clock: Clock, http: HttpReader) -> Processor:
    """Imaginary where a server is named, else libvips."""
    if settings.imaginary_service_url:
        bounds = Bounds(
            timeout=settings.process_timeout,
            first_byte=settings.process_timeout,
            stall=settings.process_timeout / 2,  # Imaginary sends nothing before all is made
            silence=max(settings.process_timeout / 10, 0.5),  # leaves time for another server
            max_bytes=settings.max_variant_bytes,
            connections=share.running,
        )
        vet = http.vet if settings.imaginary_fetch == "imaginary" else None
        return ImaginaryProcessor(settings.imaginary_service_url, bounds, clock, vet)
    return VipsProcessor(
        processes=share.running,
        timeout=settings.process_timeout,
        memory=settings.process_memory,
        max_pixels=settings.max_pixels,
        max_variant_bytes=settings.max_variant_bytes,
        queue_timeout=settings.queue_timeout,
    )


def http_reader(settings: Settings) -> HttpReader:
    """Sources of the network."""
    return HttpReader(
        max_bytes=settings.max_source_bytes,
        timeout=settings.fetch_timeout,
        allowed_domains=settings.allowed_domains,
        networks=[ipaddress.ip_network(each) for each in settings.allowed_networks],
        dev=settings.dev,
        nameservers=[parse_nameserver(each) for each in settings.nameservers],
    )


def file_reader(settings: Settings) -> DirectoryReader:
    """Sources of a directory."""
    return DirectoryReader(
        settings.source_dir, max_bytes=settings.max_source_bytes, timeout=settings.fetch_timeout
    )


def rules(settings: Settings) -> Rules:
    """What requests may ask for."""
    rule = settings.width_rule
    return Rules(
        auto_formats=settings.auto_formats,
        save_data_quality_step=settings.save_data_quality_step,
        ladder=None if rule == "off" else Ladder(settings.widths, strict=rule == "strict"),
        request_timeout=settings.request_timeout,
    )
