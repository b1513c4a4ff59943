"""Which stores the settings choose. Light: commands that only ask the catalog start fast."""

from imcaxy.clock import Clock
from imcaxy.settings import Settings
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
        secret_key=settings.minio_secret_key.reveal(),
        bucket=settings.minio_bucket,
        location=settings.minio_location,
        tls=settings.minio_ssl,
    )
    return S3Blobs(endpoint, clock, settings.store_timeout)


def catalog(settings: Settings, clock: Clock) -> Catalog:
    """MongoDB where one is named, else SQLite."""
    uri = settings.mongo_connection_string.reveal()
    if not uri:
        return SQLiteCatalog(settings.data_dir, clock, settings.store_timeout)
    from imcaxy.store.catalog.mongo import MongoCatalog  # noqa: PLC0415 - see above
    from imcaxy.store.catalog.mongo_client import Database  # noqa: PLC0415 - see above

    return MongoCatalog(Database(uri, settings.store_timeout), clock)


def local(blobs: Blobs) -> Local | None:
    """The blob store's disk, when it is one of this machine's."""
    return blobs if isinstance(blobs, FileBlobs) else None
