-- ライセンス: every file that was accepted, as it was signed; nothing is taken away, a newer one counts in its place.
CREATE TABLE seat_licence (
    id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    text TEXT NOT NULL,
    installed_at BIGINT NOT NULL,
    installed_by TEXT REFERENCES users (id),
    -- The day, as 2027-03-31, on which its host was first found changed.
    unbound_since TEXT,
    PRIMARY KEY (id, seq)
);
