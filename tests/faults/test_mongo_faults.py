"""A real MongoDB-compatible server behind a relay that fails, and a catalog of another make."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import pymongo
import pytest

from imcaxy.clock import Clock
from imcaxy.errors import CatalogError, SettingsError
from imcaxy.store.catalog.mongo import MongoCatalog
from imcaxy.store.catalog.mongo_client import Database
from imcaxy.store.catalog.mongo_schema import INDEXES
from tests import real
from tests.between import Between
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance
from tests.stores import MONGO, each, mongo_uri

TIMEOUT = 1.0  # seconds

over_servers = pytest.mark.parametrize("server", each(MONGO))


@pytest.fixture
async def relay(server: str) -> AsyncIterator[Between]:
    host, port = pymongo.uri_parser.parse_uri(real.address(server))["nodelist"][0]
    async with Between(f"{host}:{port}") as relay:
        yield relay


@pytest.fixture
def uri(server: str, relay: Between) -> str:
    return mongo_uri(server, host=relay.address)


@pytest.fixture
def direct(server: str, uri: str) -> str:
    """Past the relay, which cannot run while a blocking client waits for it."""
    return mongo_uri(server, database=pymongo.uri_parser.parse_uri(uri)["database"])


@pytest.fixture
async def catalog(uri: str) -> AsyncIterator[MongoCatalog]:
    patient = MongoCatalog(Database(uri, 20), Clock())  # making the indexes takes its time
    await patient.start("blobs-1")
    catalog = MongoCatalog(Database(uri, TIMEOUT), Clock())
    await catalog.start("blobs-1")
    yield catalog
    await catalog.close()
    await patient.close()


async def recovered(catalog: MongoCatalog) -> None:
    """The catalog works again within some seconds, without being opened again."""
    async with asyncio.timeout(15):
        while True:
            try:
                await catalog.check()
            except CatalogError:
                await asyncio.sleep(0.1)
            else:
                return


@over_servers
async def test_server_that_hangs_is_given_up_in_time_and_found_again(
    catalog: MongoCatalog, relay: Between
) -> None:
    await catalog.insert_entry(an_entry())
    relay.hang()
    begun = perf_counter()
    with pytest.raises(CatalogError):
        await catalog.find("signature")
    with pytest.raises(CatalogError):
        await catalog.insert_claim(a_claim(1))
    with pytest.raises(CatalogError):
        await catalog.write_instance(an_instance())
    assert perf_counter() - begun < 3 * TIMEOUT + 4
    relay.let_pass()
    await recovered(catalog)
    assert await catalog.find("signature") == an_entry()


@over_servers
async def test_many_calls_that_hang_together_end_together(
    catalog: MongoCatalog, relay: Between
) -> None:
    relay.hang()
    begun = perf_counter()
    calls = [catalog.find("signature") for _ in range(60)]  # more than the driver has threads
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in ended} == {CatalogError}
    assert perf_counter() - begun < TIMEOUT + 4
    relay.let_pass()
    await recovered(catalog)


@over_servers
async def test_server_that_is_away_is_told_and_found_again(
    catalog: MongoCatalog, relay: Between
) -> None:
    relay.reset()
    with pytest.raises(CatalogError):
        await catalog.head()
    with pytest.raises(CatalogError, match="IMCAXY_MONGO_CONNECTION_STRING"):
        await catalog.head()
    relay.let_pass()
    await recovered(catalog)


@over_servers
async def test_each_of_many_calls_names_a_server_that_is_away(
    catalog: MongoCatalog, relay: Between
) -> None:
    relay.reset()
    with pytest.raises(CatalogError):
        await catalog.head()
    calls = [catalog.find("signature") for _ in range(60)]  # more than the driver has threads
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {"IMCAXY_MONGO_CONNECTION_STRING" in str(each) for each in ended} == {True}
    relay.let_pass()
    await recovered(catalog)


@over_servers
async def test_record_whose_acknowledgement_is_lost_is_there_once(
    catalog: MongoCatalog, relay: Between
) -> None:
    """The writer repeats with the same request, as design 6.3 says."""
    relay.cut_after(0)
    with pytest.raises(CatalogError):
        await catalog.append(a_record(1, "file", request="mine"))
    relay.let_pass()
    await recovered(catalog)
    await catalog.append(a_record(1, "file", request="mine"))
    found = await catalog.record_of("mine")
    assert found is not None
    assert found.number == 1
    assert len(await catalog.records(1, 10)) == 1


@over_servers
async def test_catalog_of_another_version_is_refused(catalog: MongoCatalog, direct: str) -> None:
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(direct)
    with client:
        meta = client.get_default_database()["meta"]
        meta.replace_one({"_id": "schema"}, {"_id": "schema", "value": 99})
    again = MongoCatalog(Database(direct, 20), Clock())
    with pytest.raises(SettingsError, match="version 99"):
        await again.start("blobs-1")
    await again.close()


@over_servers
async def test_index_that_was_dropped_is_made_again_at_start(
    catalog: MongoCatalog, direct: str
) -> None:
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(direct)
    with client:
        claims = client.get_default_database()["claims"]
        claims.drop_index("claims_number")
        again = MongoCatalog(Database(direct, 20), Clock())
        await again.start("blobs-1")
        assert "claims_number" in claims.index_information()
    await again.close()
    names = [name for _, name, _, _ in INDEXES]
    assert len(set(names)) == len(names)


@over_servers
async def test_document_of_others_is_an_error(catalog: MongoCatalog, direct: str) -> None:
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(direct)
    with client:
        client.get_default_database()["trash"].insert_one({"_id": "x", "blob": "b", "at": 1.0})
    with pytest.raises(CatalogError, match="no Imcaxy wrote"):
        await catalog.trash(5.0, 10)


async def test_unusable_connection_string_is_told_without_its_password() -> None:
    wrong = "mongodb://me:hidden@one,two/imcaxy?directConnection=true"
    catalog = MongoCatalog(Database(wrong, TIMEOUT), Clock())
    with pytest.raises(SettingsError) as caught:
        await catalog.start("blobs-1")
    assert "IMCAXY_MONGO_CONNECTION_STRING" in caught.value.detail
    assert "directConnection" in caught.value.detail
    assert "hidden" not in caught.value.detail
    await catalog.close()
