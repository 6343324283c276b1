-- Times are milliseconds since 1970 (UTC), names are UUIDs as text, documents are JSON as text, flags are 0 or 1.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE departments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    parent_id TEXT REFERENCES departments (id),
    created_at BIGINT NOT NULL,
    closed_at BIGINT
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    department_id TEXT NOT NULL REFERENCES departments (id),
    role TEXT NOT NULL,
    password TEXT,
    password_expired BIGINT NOT NULL DEFAULT 0,
    password_changed_at BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,
    locked_until BIGINT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);
CREATE INDEX users_department ON users (department_id);

-- 人事異動 that waits for its day: a department and a role to come, or neither for somebody who leaves.
CREATE TABLE transfers (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    department_id TEXT REFERENCES departments (id),
    role TEXT,
    effective_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE UNIQUE INDEX transfers_user ON transfers (user_id, effective_at) WHERE done_at IS NULL;
CREATE INDEX transfers_due ON transfers (effective_at) WHERE done_at IS NULL;

CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    csrf TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);

-- One-time links: the first administrator, and a password set anew by an administrator.
CREATE TABLE links (
    sha256 TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    department_id TEXT REFERENCES departments (id),
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    -- The office's own Word file in base64.
    word TEXT,
    updated_at BIGINT NOT NULL,
    -- A template that meetings were made from stays for them; it is only offered no more.
    removed_at BIGINT
);

CREATE TABLE meetings (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    department_id TEXT NOT NULL REFERENCES departments (id),
    owner_id TEXT NOT NULL REFERENCES users (id),
    sensitivity TEXT NOT NULL,
    state TEXT NOT NULL,
    held_on TEXT NOT NULL DEFAULT '',
    template_id TEXT REFERENCES templates (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    audio_until BIGINT,
    minutes_until BIGINT,
    legal_hold BIGINT NOT NULL DEFAULT 0,
    sample BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX meetings_department ON meetings (department_id, updated_at);
CREATE INDEX meetings_owner ON meetings (owner_id, updated_at);
CREATE INDEX meetings_updated ON meetings (updated_at, id);

CREATE TABLE members (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    can_edit BIGINT NOT NULL,
    PRIMARY KEY (meeting_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    meeting_id TEXT REFERENCES meetings (id),
    bytes_total BIGINT NOT NULL,
    bytes_stored BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    mime TEXT NOT NULL,
    -- Upload-Metadata as it came: a client that resumes gets it back.
    metadata TEXT NOT NULL,
    -- What becomes of it when it is whole.
    plan TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_user ON uploads (user_id, state);
CREATE INDEX uploads_state ON uploads (state);

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    meeting_id TEXT REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    upload_id TEXT UNIQUE,
    blob TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    file_name TEXT NOT NULL,
    mime TEXT NOT NULL,
    duration_ms BIGINT,
    created_at BIGINT NOT NULL,
    erased_at BIGINT
);
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
    priority BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    -- Why it waits although it was begun, or cannot be begun.
    hindrance TEXT,
    lease_owner TEXT,
    lease_token BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    cancel_asked BIGINT NOT NULL DEFAULT 0,
    settled_ms BIGINT NOT NULL DEFAULT 0,
    expected_ms BIGINT,
    -- Of the present run: where it went on from, and since when it computes.
    resumed_ms BIGINT NOT NULL DEFAULT 0,
    claimed_at BIGINT,
    -- How fast it was: milliseconds of sound a second, once it is done.
    speed_ms BIGINT,
    failure TEXT,
    failure_detail TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
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
    until_ms BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (job_id, key)
);

-- 認識結果: never changed once written; a second recognition is a further version.
CREATE TABLE transcripts (
    id TEXT PRIMARY KEY,
    meeting_id TEXT REFERENCES meetings (id),
    job_id TEXT NOT NULL UNIQUE REFERENCES jobs (id),
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX transcripts_meeting ON transcripts (meeting_id, version);

CREATE TABLE minutes (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- A whole document at a revision; what lies between two of them is in revisions.
CREATE TABLE snapshots (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (meeting_id, revision)
);

CREATE TABLE revisions (
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    revision BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    cause TEXT NOT NULL,
    request_id TEXT NOT NULL,
    ops TEXT NOT NULL,
    undo TEXT NOT NULL,
    PRIMARY KEY (meeting_id, revision),
    UNIQUE (meeting_id, request_id)
);

-- Named states of a document: 認識結果, 確定版 and what a person chose to keep.
CREATE TABLE editions (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX editions_meeting ON editions (meeting_id, created_at);

CREATE TABLE word_groups (
    id TEXT PRIMARY KEY,
    department_id TEXT REFERENCES departments (id),
    meeting_id TEXT REFERENCES meetings (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX word_groups_meeting ON word_groups (meeting_id);

CREATE TABLE words (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES word_groups (id),
    surface TEXT NOT NULL,
    entry TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (group_id, surface)
);
CREATE INDEX words_recent ON words (group_id, updated_at);

-- The groups a meeting chose, as a list of names in JSON; without a row all of its office and department count.
CREATE TABLE word_choices (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    chosen TEXT NOT NULL
);

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_id TEXT,
    address TEXT NOT NULL,
    event TEXT NOT NULL,
    meeting_id TEXT,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    result TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_meeting ON audit (meeting_id, seq);
CREATE INDEX audit_at ON audit (at);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
EXECUTE FUNCTION audit_is_append_only();

-- 消去証明書: begun before anything is destroyed, so that an interrupted erasure is carried on; kept for ever.
CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL,
    what TEXT NOT NULL,
    record TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    erased_at BIGINT,
    audit_seq BIGINT
);
CREATE INDEX erasures_meeting ON erasures (meeting_id);

-- Search: bigrams made by the program; the index holds no text that could be read back as sentences.
CREATE TABLE search_rows (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    block BIGINT NOT NULL,
    terms TSVECTOR NOT NULL,
    UNIQUE (meeting_id, block)
);
CREATE INDEX search_rows_terms ON search_rows USING gin (terms);
