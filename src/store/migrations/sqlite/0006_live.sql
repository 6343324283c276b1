-- Meetings that are recorded as they happen: the sound is in a journal on the data folder until it is sealed.
CREATE TABLE lives (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    room TEXT NOT NULL,
    phase TEXT NOT NULL,
    -- What captions may be kept, shown and delayed by.
    wish TEXT NOT NULL,
    -- The secret part of the caption link; none if nobody may look without an account.
    code TEXT UNIQUE,
    -- Caption events below this number may have been given away.
    numbers_until INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
-- A meeting is recorded once at a time, however often somebody presses the button.
CREATE UNIQUE INDEX lives_open ON lives (meeting_id) WHERE phase IN ('recording', 'paused');
CREATE INDEX lives_phase ON lives (phase);
CREATE INDEX lives_meeting ON lives (meeting_id);

-- The microphones of a live meeting; sound that comes after its stream was sealed begins a further part.
CREATE TABLE live_streams (
    id TEXT PRIMARY KEY,
    live_id TEXT NOT NULL REFERENCES lives (id),
    number INTEGER NOT NULL,
    microphone TEXT NOT NULL,
    rate_hz INTEGER NOT NULL,
    first_sample INTEGER NOT NULL,
    -- When its first sample was heard, as well as that is known.
    began_at INTEGER,
    -- Where it ends, as its microphone said or as it was sealed; none while it grows.
    samples_end INTEGER,
    sealed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (live_id, microphone, first_sample)
) STRICT;

-- 字幕: sentences as they were shown, and as helpers corrected them.
CREATE TABLE live_lines (
    live_id TEXT NOT NULL REFERENCES lives (id),
    line INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    corrected TEXT,
    PRIMARY KEY (live_id, line)
) STRICT;

-- Marks and headings of the agenda, set while people spoke.
CREATE TABLE live_notes (
    id TEXT PRIMARY KEY,
    live_id TEXT NOT NULL REFERENCES lives (id),
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX live_notes_live ON live_notes (live_id, at_ms);
