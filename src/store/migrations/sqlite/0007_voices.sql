-- Whether a department keeps voices: no row, or switched off, means no.
CREATE TABLE voice_rules (
    department_id TEXT PRIMARY KEY REFERENCES departments (id),
    learning INTEGER NOT NULL,
    keep_days INTEGER NOT NULL,
    switched_off_at INTEGER
) STRICT;

-- Voices of people who agreed to it. What is sealed opens with a key that lies in a file of the data folder only.
CREATE TABLE voices (
    id TEXT PRIMARY KEY,
    department_id TEXT NOT NULL REFERENCES departments (id),
    user_id TEXT REFERENCES users (id),
    name TEXT NOT NULL,
    -- The name without blanks and forms of characters: nobody is there twice.
    name_key TEXT NOT NULL,
    consent TEXT NOT NULL,
    model TEXT NOT NULL,
    pieces INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    learned_at INTEGER,
    used_at INTEGER,
    expires_at INTEGER NOT NULL,
    UNIQUE (department_id, name_key)
) STRICT;
CREATE INDEX voices_user ON voices (user_id);
CREATE INDEX voices_expiry ON voices (expires_at);

-- The proof that a voice was erased: complete when its key is destroyed; kept for ever.
CREATE TABLE voice_erasures (
    id TEXT PRIMARY KEY,
    voice_id TEXT NOT NULL,
    department_id TEXT NOT NULL REFERENCES departments (id),
    record TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    erased_at INTEGER
) STRICT;
CREATE INDEX voice_erasures_department ON voice_erasures (department_id, begun_at);
CREATE INDEX voice_erasures_begun ON voice_erasures (begun_at) WHERE erased_at IS NULL;

-- Meetings whose corrections were learned from, or had nothing to learn.
CREATE TABLE voice_lessons (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    at INTEGER NOT NULL
) STRICT;
