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
    numbers_until BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT
);
-- A meeting is recorded once at a time, however often somebody presses the button.
CREATE UNIQUE INDEX lives_open ON lives (meeting_id) WHERE phase IN ('recording', 'paused');
CREATE INDEX lives_phase ON lives (phase);
CREATE INDEX lives_meeting ON lives (meeting_id);

-- The microphones of a live meeting; sound that comes after its stream was sealed begins a further part.
CREATE TABLE live_streams (
    id TEXT PRIMARY KEY,
    live_id TEXT NOT NULL REFERENCES lives (id),
    number BIGINT NOT NULL,
    microphone TEXT NOT NULL,
    rate_hz BIGINT NOT NULL,
    first_sample BIGINT NOT NULL,
    -- When its first sample was heard, as well as that is known.
    began_at BIGINT,
    -- Where it ends, as its microphone said or as it was sealed; none while it grows.
    samples_end BIGINT,
    sealed BIGINT NOT NULL DEFAULT 0,
    UNIQUE (live_id, microphone, first_sample)
);

-- 字幕: sentences as they were shown, and as helpers corrected them.
CREATE TABLE live_lines (
    live_id TEXT NOT NULL REFERENCES lives (id),
    line BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    corrected TEXT,
    PRIMARY KEY (live_id, line)
);

-- Marks and headings of the agenda, set while people spoke.
CREATE TABLE live_notes (
    id TEXT PRIMARY KEY,
    live_id TEXT NOT NULL REFERENCES lives (id),
    kind TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX live_notes_live ON live_notes (live_id, at_ms);
