"""The catalog's tables in SQLite (design 6.2)."""

APPLICATION = 0x696D6378  # "imcx": PRAGMA application_id, so that a stranger's file is refused
VERSION = 4  # PRAGMA user_version

# `as_of` is two columns because it is compared by its number and verified by its request.
# `keys` stands both in the row (to give the row back) and in a table of its own (to be found by).
TABLES = (
    """CREATE TABLE meta (
        name TEXT PRIMARY KEY, value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE log (
        number INTEGER PRIMARY KEY, request TEXT NOT NULL, keys TEXT NOT NULL, urls TEXT NOT NULL,
        project TEXT NOT NULL, revision TEXT NOT NULL, at REAL NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX log_request ON log (request)",
    "CREATE INDEX log_project ON log (project, number) WHERE revision <> ''",
    "CREATE INDEX log_revision ON log (revision) WHERE revision <> ''",
    """CREATE TABLE log_keys (
        key TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE cleared (
        number INTEGER NOT NULL, page INTEGER NOT NULL, removed TEXT NOT NULL,
        last INTEGER NOT NULL, PRIMARY KEY (number, page)
    ) STRICT""",
    """CREATE TABLE entries (
        blob TEXT PRIMARY KEY, signature TEXT NOT NULL, keys TEXT NOT NULL,
        as_of INTEGER NOT NULL, as_of_request TEXT NOT NULL,
        length INTEGER NOT NULL, digest TEXT NOT NULL,
        media_type TEXT NOT NULL, etag TEXT NOT NULL, made_at REAL NOT NULL,
        cost REAL NOT NULL, used REAL NOT NULL, request TEXT NOT NULL DEFAULT '',
        uses INTEGER NOT NULL DEFAULT 0, seen TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    "CREATE INDEX entries_signature ON entries (signature, as_of)",
    "CREATE INDEX entries_used ON entries (used, length)",
    """CREATE TABLE entry_keys (
        blob TEXT NOT NULL REFERENCES entries (blob) ON DELETE CASCADE, key TEXT NOT NULL,
        PRIMARY KEY (blob, key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX entry_keys_key ON entry_keys (key, blob)",
    """CREATE TABLE claims (
        signature TEXT NOT NULL, number INTEGER NOT NULL, by TEXT NOT NULL, blob TEXT NOT NULL,
        keys TEXT NOT NULL, as_of INTEGER NOT NULL, as_of_request TEXT NOT NULL,
        beat INTEGER NOT NULL, outcome TEXT, PRIMARY KEY (signature, number)
    ) STRICT""",
    """CREATE TABLE trash (
        blob TEXT PRIMARY KEY, at REAL NOT NULL, length INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX trash_at ON trash (at)",
    """CREATE TABLE instances (
        incarnation TEXT PRIMARY KEY, name TEXT NOT NULL,
        applied INTEGER NOT NULL, applied_request TEXT NOT NULL,
        seen REAL NOT NULL, gone INTEGER NOT NULL
    ) STRICT""",
    "INSERT INTO log VALUES (0, '', '[]', '[]', '', '', 0)",
)

# From one version to the next.
MIGRATIONS = {
    1: (
        "ALTER TABLE entries ADD COLUMN request TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE cleared ADD COLUMN last INTEGER NOT NULL DEFAULT 0",
        "CREATE UNIQUE INDEX log_request ON log (request)",
        "CREATE INDEX log_project ON log (project, number) WHERE revision <> ''",
        "CREATE INDEX log_revision ON log (revision) WHERE revision <> ''",
    ),
    2: (
        "ALTER TABLE entries ADD COLUMN uses INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE trash ADD COLUMN length INTEGER NOT NULL DEFAULT 0",
    ),
    3: ("ALTER TABLE entries ADD COLUMN seen TEXT NOT NULL DEFAULT ''",),
}

ENTRY = (
    "blob, signature, keys, as_of, as_of_request, length, digest, media_type, etag, made_at, "
    "cost, used, request, uses, seen"
)
ENTRY_KEYS = (  # of a blob, from the keys as they stand in its row
    "INSERT OR IGNORE INTO entry_keys (blob, key) SELECT ?, value FROM json_each(?)"
)
CLAIM = "signature, number, by, blob, keys, as_of, as_of_request, beat, outcome"

# Its columns stand in the order of CLAIM: ?1 is the signature, ?6 and ?7 are as_of.
FIRST_CLAIM = f"""
    INSERT INTO claims ({CLAIM}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
    WHERE NOT EXISTS (SELECT 1 FROM claims WHERE signature = ?1)
    AND NOT EXISTS (SELECT 1 FROM entries WHERE signature = ?1)
    AND EXISTS (SELECT 1 FROM log WHERE number = ?6 AND request = ?7)
    AND NOT EXISTS (SELECT 1 FROM log WHERE number > ?6)
"""  # noqa: S608 - built from constants of this file
END_CLAIM = "UPDATE claims SET outcome = ? WHERE signature = ? AND number = ? AND blob = ?"

# I3 for an entry called `e`: its position is one of this log, and no later record shares a key.
_LIVE = """
    EXISTS (SELECT 1 FROM log WHERE log.number = e.as_of AND log.request = e.as_of_request)
    AND NOT EXISTS (
        SELECT 1 FROM entry_keys AS k
        CROSS JOIN log_keys AS l ON l.key = k.key AND l.number > e.as_of
        WHERE k.blob = e.blob
    )
"""

# I3 once more, with the keys as they stand in the row that is being read anyway: one tree less to
# go down, a sixth of what a look-up costs among many entries (benchmarks/lookup.py).
FIND = f"""
    SELECT {ENTRY} FROM entries AS e WHERE e.signature = ?
    AND EXISTS (SELECT 1 FROM log WHERE log.number = e.as_of AND log.request = e.as_of_request)
    AND NOT EXISTS (
        SELECT 1 FROM json_each(e.keys) AS k
        CROSS JOIN log_keys AS l ON l.key = k.value AND l.number > e.as_of
    )
    ORDER BY e.as_of DESC, e.blob DESC LIMIT 1
"""  # noqa: S608 - built from constants of this file

# By key rather than by entry: most entries have never been hit by a record.
INERT = f"""
    SELECT {ENTRY} FROM entries WHERE blob IN (
        SELECT e.blob FROM (SELECT key, max(number) AS number FROM log_keys GROUP BY key) AS l
        CROSS JOIN entry_keys AS k ON k.key = l.key
        CROSS JOIN entries AS e ON e.blob = k.blob AND e.as_of < l.number
    UNION
        SELECT e.blob FROM entries AS e WHERE NOT EXISTS (
            SELECT 1 FROM log WHERE log.number = e.as_of AND log.request = e.as_of_request)
    UNION
        SELECT worse.blob
        FROM (SELECT signature FROM entries GROUP BY signature HAVING count(*) > 1) AS several
        CROSS JOIN entries AS e ON e.signature = several.signature
        CROSS JOIN entries AS worse ON worse.signature = several.signature
            AND (worse.as_of, worse.blob) < (e.as_of, e.blob)
        WHERE {_LIVE}
    ) LIMIT ?
"""  # noqa: S608 - built from constants of this file

_HIT_ENTRY = ENTRY.replace("blob", "e.blob", 1)

# What record :below hits by :key: entries that were live until it was written. Cheap when the entry
# is as new as the record before it.
_HIT = """
    FROM entry_keys AS hit CROSS JOIN entries AS e ON e.blob = hit.blob
    WHERE hit.key = :key AND e.as_of < :below
    AND EXISTS (SELECT 1 FROM log WHERE log.number = e.as_of AND log.request = e.as_of_request)
    AND (e.as_of = :below - 1 OR NOT EXISTS (
        SELECT 1 FROM entry_keys AS k
        CROSS JOIN log_keys AS l ON l.key = k.key AND l.number > e.as_of AND l.number < :below
        WHERE k.blob = e.blob
    ))
    LIMIT :limit
"""

HITS = f"SELECT {_HIT_ENTRY} {_HIT}"
COUNT_HITS = f"SELECT count(*) FROM (SELECT 1 {_HIT})"  # noqa: S608 - a constant
STALE = f"""
    SELECT {_HIT_ENTRY}
    FROM entry_keys AS hit CROSS JOIN entries AS e ON e.blob = hit.blob
    WHERE hit.key = :key AND e.as_of < :below LIMIT :limit
"""  # noqa: S608 - built from constants of this file

ANSWERED = """
    SELECT max(EXISTS (
        SELECT 1 FROM cleared WHERE cleared.number = log.number AND cleared.page = ?
    )) FROM log WHERE revision = ? AND revision <> ''
"""

UNCLEARED = """
    SELECT number FROM log WHERE number >= max(?, 1) AND NOT EXISTS (
        SELECT 1 FROM cleared WHERE cleared.number = log.number AND cleared.last
    ) ORDER BY number LIMIT ?
"""

# The entry, if there is one still, tells the length; one that is known stays known.
BURY = """
    INSERT INTO trash (blob, at, length)
    VALUES (?1, ?2, coalesce((SELECT length FROM entries WHERE blob = ?1), 0))
    ON CONFLICT (blob) DO UPDATE SET at = excluded.at, length = max(length, excluded.length)
"""

FILE_LENGTH = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
