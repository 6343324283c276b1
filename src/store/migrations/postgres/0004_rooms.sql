-- A meeting room's own account: whoever records with it takes the room's seat, not a person's.
ALTER TABLE users ADD COLUMN room BIGINT NOT NULL DEFAULT 0;
