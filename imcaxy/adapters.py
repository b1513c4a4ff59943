"""Which adapters the settings choose, for each port."""

import ipaddress

from imcaxy.clock import Clock
from imcaxy.processors.base import Processor
from imcaxy.processors.imaginary.engine import Bounds
from imcaxy.processors.imaginary.processor import ImaginaryProcessor
from imcaxy.processors.vips.processor import VipsProcessor
from imcaxy.settings import Settings
from imcaxy.settings_text import parse_nameserver
from imcaxy.share import Share
from imcaxy.sources.directory import DirectoryReader
from imcaxy.sources.fetching import HttpReader
from imcaxy.store.blobs.base import Blobs
from imcaxy.store.blobs.files import FileBlobs
from imcaxy.store.catalog.base import Catalog
from imcaxy.store.catalog.sqlite import SQLiteCatalog
from imcaxy.store.upkeep import Local

# The libraries of the stack are imported when they are used: that takes longer than all the rest.


def blobs(settings: Settings, clock: Clock) -> Blobs:
    """A bucket where one is named, else files."""
    if not settings.minio_endpoint:
        return FileBlobs(settings.data_dir / "blobs", settings.store_timeout)
    from imcaxy.store.blobs.s3 import S3Blobs  # noqa: PLC0415 - see above
    from imcaxy.store.blobs.s3_client import Endpoint  # noqa: PLC0415 - see above

    endpoint = Endpoint(
        host=settings.minio_endpoint,
        access_key=settings.minio_access_key,
        secret_key=settings.minio_secret_key.get_secret_value(),
        bucket=settings.minio_bucket,
        location=settings.minio_location,
        tls=settings.minio_ssl,
    )
    return S3Blobs(endpoint, clock, settings.store_timeout)


def catalog(settings: Settings, clock: Clock) -> Catalog:
    """MongoDB where one is named, else SQLite."""
    uri = settings.mongo_connection_string.get_secret_value()
    if not uri:
        return SQLiteCatalog(settings.data_dir, clock, settings.store_timeout)
    from imcaxy.store.catalog.mongo import MongoCatalog  # noqa: PLC0415 - see above
    from imcaxy.store.catalog.mongo_client import Database  # noqa: PLC0415 - see above

    return MongoCatalog(Database(uri, settings.store_timeout), clock)


def local(blobs: Blobs) -> Local | None:
    """The blob store's disk, when it is one of this machine's."""
    return blobs if isinstance(blobs, FileBlobs) else None


def processor(settings: Settings, share: Share, clock: Clock, http: HttpReader) -> Processor:
    """Imaginary where a server is named, else libvips."""
    if settings.imaginary_service_url:
        bounds = Bounds(
            timeout=settings.process_timeout,
            first_byte=settings.process_timeout,
            stall=settings.process_timeout / 2,  # Imaginary sends nothing before all is made
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
