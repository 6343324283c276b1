-- マスキング一覧: what a published copy of the minutes must not say, as JSON; none while nobody made one.
ALTER TABLE meetings ADD COLUMN masks TEXT;
