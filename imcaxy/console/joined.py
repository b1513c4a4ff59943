"""The catalog that the settings name, for a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from imcaxy import stores
from imcaxy.clock import Clock
from imcaxy.settings import Settings
from imcaxy.store.catalog.base import Catalog


@asynccontextmanager
async def joined(settings: Settings, clock: Clock) -> AsyncIterator[Catalog]:
    """The servers' catalog, open; SettingsError, and CatalogError when there is none."""
    catalog = stores.catalog(settings, clock)
    try:
        await catalog.join()
        yield catalog
    finally:
        await catalog.close()
