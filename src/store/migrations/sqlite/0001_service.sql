-- Times are milliseconds since 1970 (UTC), names are UUIDs as text, documents are JSON as text, flags are 0 or 1.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE departments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    parent_id TEXT REFERENCES departments (id),
    created_at INTEGER NOT NULL,
    closed_at INTEGER
) STRICT;

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    department_id TEXT NOT NULL REFERENCES departments (id),
    role TEXT NOT NULL,
    password TEXT,
    password_expired INTEGER NOT NULL DEFAULT 0,
    password_changed_at INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;
CREATE INDEX users_department ON users (department_id);

-- 人事異動 that waits for its day: a department and a role to come, or neither for somebody who leaves.
CREATE TABLE transfers (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    department_id TEXT REFERENCES departments (id),
    role TEXT,
    effective_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    done_at INTEGER
) STRICT;
CREATE UNIQUE INDEX transfers_user ON transfers (user_id, effective_at) WHERE done_at IS NULL;
CREATE INDEX transfers_due ON transfers (effective_at) WHERE done_at IS NULL;

CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    csrf TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX tokens_user ON tokens (user_id);

-- One-time links: the first administrator, and a password set anew by an administrator.
CREATE TABLE links (
    sha256 TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    department_id TEXT REFERENCES departments (id),
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    -- The office's own Word file in base64.
    word TEXT,
    updated_at INTEGER NOT NULL,
    -- A template that meetings were made from stays for them; it is only offered no more.
    removed_at INTEGER
) STRICT;

CREATE TABLE meetings (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    department_id TEXT NOT NULL REFERENCES departments (id),
    owner_id TEXT NOT NULL REFERENCES users (id),
    sensitivity TEXT NOT NULL,
    state TEXT NOT NULL,
    held_on TEXT NOT NULL DEFAULT '',
    template_id TEXT REFERENCES templates (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    audio_until INTEGER,
    minutes_until INTEGER,
    legal_hold INTEGER NOT NULL DEFAULT 0,
    sample INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX meetings_department ON meetings (department_id, updated_at);
CREATE INDEX meetings_owner ON meetings (owner_id, updated_at);
CREATE INDEX meetings_updated ON meetings (updated_at, id);

CREATE TABLE members (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    can_edit INTEGER NOT NULL,
    PRIMARY KEY (meeting_id, user_id)
) STRICT;
CREATE INDEX members_user ON members (user_id);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    meeting_id TEXT REFERENCES meetings (id),
    bytes_total INTEGER NOT NULL,
    bytes_stored INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    mime TEXT NOT NULL,
    -- Upload-Metadata as it came: a client that resumes gets it back.
    metadata TEXT NOT NULL,
    -- What becomes of it when it is whole.
    plan TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_user ON uploads (user_id, state);
CREATE INDEX uploads_state ON uploads (state);

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    meeting_id TEXT REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    upload_id TEXT UNIQUE,
    blob TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file_name TEXT NOT NULL,
    mime TEXT NOT NULL,
    duration_ms INTEGER,
    created_at INTEGER NOT NULL,
    erased_at INTEGER
) STRICT;
CREATE INDEX recordings_meeting ON recordings (meeting_id);
CREATE INDEX recordings_user ON recordings (user_id);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    meeting_id TEXT REFERENCES meetings (id),
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    -- Why it waits although it was begun, or cannot be begun.
    hindrance TEXT,
    lease_owner TEXT,
    lease_token INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    cancel_asked INTEGER NOT NULL DEFAULT 0,
    settled_ms INTEGER NOT NULL DEFAULT 0,
    expected_ms INTEGER,
    -- Of the present run: where it went on from, and since when it computes.
    resumed_ms INTEGER NOT NULL DEFAULT 0,
    claimed_at INTEGER,
    -- How fast it was: milliseconds of sound a second, once it is done.
    speed_ms INTEGER,
    failure TEXT,
    failure_detail TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT;
CREATE INDEX jobs_waiting ON jobs (state, not_before);
CREATE INDEX jobs_meeting ON jobs (meeting_id);
CREATE INDEX jobs_user ON jobs (user_id, state);
CREATE INDEX jobs_finished ON jobs (finished_at);
-- A recording is recognised once at a time, however often somebody presses the button.
CREATE UNIQUE INDEX jobs_open ON jobs (kind, recording_id) WHERE state IN ('waiting', 'running');

-- What became of each window of a recording: a restart goes on from here.
CREATE TABLE windows (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    key TEXT NOT NULL,
    -- Model and product version that the answer depends on.
    question TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (job_id, key)
) STRICT;

-- 認識結果: never changed once written; a second recognition is a further version.
CREATE TABLE transcripts (
    id TEXT PRIMARY KEY,
    meeting_id TEXT REFERENCES meetings (id),
    job_id TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX transcripts_meeting ON transcripts (meeting_id, version);

CREATE TABLE minutes (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- A whole document at a revision; what lies between two of them is in revisions.
CREATE TABLE snapshots (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    revision INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (meeting_id, revision)
) STRICT;

CREATE TABLE revisions (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    revision INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT NOT NULL,
    ops TEXT NOT NULL,
    undo TEXT NOT NULL,
    PRIMARY KEY (meeting_id, revision),
    UNIQUE (meeting_id, request_id)
) STRICT;

-- Named states of a document: 認識結果, 確定版 and what a person chose to keep.
CREATE TABLE editions (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX editions_meeting ON editions (meeting_id, created_at);

CREATE TABLE word_groups (
    id TEXT PRIMARY KEY,
    department_id TEXT REFERENCES departments (id),
    meeting_id TEXT REFERENCES meetings (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX word_groups_meeting ON word_groups (meeting_id);

CREATE TABLE words (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES word_groups (id),
    surface TEXT NOT NULL,
    entry TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (group_id, surface)
) STRICT;
CREATE INDEX words_recent ON words (group_id, updated_at);

-- The groups a meeting chose, as a list of names in JSON; without a row all of its office and department count.
CREATE TABLE word_choices (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    chosen TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor_id TEXT,
    address TEXT NOT NULL,
    event TEXT NOT NULL,
    meeting_id TEXT,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    result TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_meeting ON audit (meeting_id, seq);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- 消去証明書: begun before anything is destroyed, so that an interrupted erasure is carried on; kept for ever.
CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL,
    what TEXT NOT NULL,
    record TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    erased_at INTEGER,
    audit_seq INTEGER
) STRICT;
CREATE INDEX erasures_meeting ON erasures (meeting_id);

-- Search: bigrams made by the program; the index holds no text that could be read back as sentences.
CREATE TABLE search_rows (
    id INTEGER PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    block INTEGER NOT NULL,
    UNIQUE (meeting_id, block)
) STRICT;
CREATE VIRTUAL TABLE search_terms USING fts5 (terms, content='', contentless_delete=1, tokenize='unicode61');
