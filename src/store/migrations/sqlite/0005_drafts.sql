-- Edits that came when their writer had no seat any more: kept for them, never applied by themselves.
CREATE TABLE drafts (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    request_id TEXT NOT NULL,
    base_revision INTEGER NOT NULL,
    ops TEXT NOT NULL,
    kept_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX drafts_attempt ON drafts (meeting_id, user_id, request_id);
CREATE INDEX drafts_kept ON drafts (kept_at);
