-- The one who may append: an append of an older epoch is refused.
CREATE TABLE seat_leader (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    started_at BIGINT NOT NULL
);

-- What happened to seats, each row chained to the one before; the state is the fold of these rows.
CREATE TABLE seat_event (
    seq BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    engine_ms BIGINT NOT NULL,
    office_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    pool TEXT,
    lease BIGINT,
    holder TEXT,
    department TEXT,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX seat_event_office ON seat_event (office_at);

-- The live leases with the one token that proves each: read by the transaction that saves protected work.
CREATE TABLE seat_lease (
    lease BIGINT PRIMARY KEY,
    token BIGINT NOT NULL
);

-- A state of the engine after row `seq`, so that a start need not fold everything.
CREATE TABLE seat_snapshot (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    state TEXT NOT NULL
);

-- Marks that are no events: the trusted date, the remaining times after a restart, that the state may be old.
CREATE TABLE seat_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
