from imcaxy.store.figures import figures
from tests.fakes.catalog import FakeCatalog
from tests.fakes.rows import a_claim, a_record, an_entry, an_instance


async def test_everything_that_is_shared_is_counted() -> None:
    catalog = FakeCatalog()
    await catalog.insert_entry(an_entry(body=b"12345"))
    await catalog.bury("gone", 1.0)
    await catalog.append(a_record(1, "k"))
    running, ended = a_claim(1), a_claim(2)
    for claim in (running, ended):
        await catalog.insert_claim(claim)
    await catalog.end_claim(ended, "{}")
    await catalog.write_instance(an_instance("1"))
    await catalog.write_instance(an_instance("2", left=True))
    assert await figures(catalog) == {
        "entries": 1,
        "entryBytes": 5,
        "trash": 1,
        "trashBytes": 0,
        "claims": 2,
        "claimsRunning": 1,
        "logHead": 1,
        "uncleared": 1,
        "instances": 1,
    }
