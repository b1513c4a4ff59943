"""How much there is in the catalog, for operators."""

from imcaxy.store.catalog.base import Catalog

MOST = 10_000  # claims and records that are counted; more are told as that many


async def figures(catalog: Catalog) -> dict[str, object]:
    """Counts and bytes of what every instance shares; raises StoreError."""
    usage = await catalog.usage()
    claims = await catalog.all_claims(MOST)
    instances = await catalog.instances()
    head = await catalog.head()
    return {
        "entries": usage.entries,
        "entryBytes": usage.entry_bytes,
        "trash": usage.trash,
        "trashBytes": usage.trash_bytes,
        "claims": len(claims),
        "claimsRunning": sum(claim.outcome is None for claim in claims),
        "logHead": head.number,
        "uncleared": len(await catalog.uncleared(1, MOST)),
        "instances": sum(not instance.left for instance in instances),
    }
