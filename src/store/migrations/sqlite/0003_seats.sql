-- The one who may append: an append of an older epoch is refused.
CREATE TABLE seat_leader (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;

-- What happened to seats, each row chained to the one before; the state is the fold of these rows.
CREATE TABLE seat_event (
    seq INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    engine_ms INTEGER NOT NULL,
    office_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    pool TEXT,
    lease INTEGER,
    holder TEXT,
    department TEXT,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX seat_event_office ON seat_event (office_at);

-- The live leases with the one token that proves each: read by the transaction that saves protected work.
CREATE TABLE seat_lease (
    lease INTEGER PRIMARY KEY,
    token INTEGER NOT NULL
) STRICT;

-- A state of the engine after row `seq`, so that a start need not fold everything.
CREATE TABLE seat_snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

-- Marks that are no events: the trusted date, the remaining times after a restart, that the state may be old.
CREATE TABLE seat_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
